//! Recording from a PulseAudio server, or PipeWire in its place, by its own protocol.
//!
//! cpal 0.18 can ask such a server for no block size, and then PipeWire gives its sound every two seconds; or for one that
//! is the server's **whole queue** too, which drops sound without a word whenever two blocks come at once (measured: 4.0 s
//! of tone through a null sink came as 3.3 s). Here blocks are short and the queue is as long as the server allows.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::FutureExt as _;
use futures::executor::block_on;
use pulseaudio::protocol::stream::{BufferAttr, StreamFlags};
use pulseaudio::protocol::{PulseError, RecordStreamParams, SampleFormat, SampleSpec, SourceInfo};
use pulseaudio::{Client, ClientError, RecordStream};

use super::feed::{Counters, Feed};
use super::{BLOCKS, Complaint};
use crate::audio::Spec;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is asked whether the stream is still there: it does not say so itself.
const EVERY: Duration = Duration::from_millis(100);

/// By what name the server knows this process's connections that record.
pub(super) fn client_name() -> CString {
    CString::new(format!("undertone-{}", std::process::id())).unwrap_or_default()
}

/// A connection to the server.
pub(super) struct Pulse {
    client: Client,
}

impl Pulse {
    /// None where no server answers.
    pub(super) fn connect() -> Option<Pulse> {
        let client = in_time(|| Client::from_env(client_name()))?.ok()?;
        Some(Pulse { client })
    }

    /// Begins to record from the source of this name; its samples go into `feed`, and `counters` are told when it breaks
    /// off.
    pub(super) fn record(
        &self,
        source: &str,
        spec: Spec,
        mut feed: Feed,
        counters: Arc<Counters>,
    ) -> Result<Recording, ClientError> {
        let (client, source) = (
            self.client.clone(),
            CString::new(source).unwrap_or_default(),
        );
        let callback = move |bytes: &[u8]| {
            let samples = bytes.chunks_exact(size_of::<f32>());
            feed.call(samples.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        };
        let begin = async move {
            let source = client.source_info_by_name(source).await?;
            client
                .create_record_stream(params(&source, spec), callback)
                .await
        };
        let stream = in_time(|| block_on(begin)).unwrap_or(Err(ClientError::Disconnected))?;
        let over = Arc::new(AtomicBool::new(false));
        let (asked, ended) = (stream.clone(), Arc::clone(&over));
        let ask = move || {
            while !ended.load(Ordering::Relaxed) {
                if let Err(error) = block_on(asked.timing_info()) {
                    // Asked at the end of a stream that was given up, it is not there.
                    if !ended.load(Ordering::Relaxed) {
                        counters.complain(complaint(&error));
                    }
                    return;
                }
                std::thread::sleep(EVERY);
            }
        };
        std::thread::Builder::new()
            .name("asks-after-stream".to_owned())
            .spawn(ask)?;
        Ok(Recording { stream, over })
    }
}

/// A stream that records until it is dropped. Dropping it does not wait for the server: that may hang.
pub(super) struct Recording {
    stream: RecordStream,
    over: Arc<AtomicBool>,
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // Sends the wish, and looks once whether it is fulfilled.
        let _ = self.stream.clone().delete().now_or_never();
    }
}

/// All channels of a source, as they come. Samples have 32 bits, whatever the device gives: the server converts, and of 24
/// bits none is lost.
fn params(source: &SourceInfo, spec: Spec) -> RecordStreamParams {
    let channels = u8::try_from(spec.channels).unwrap_or(u8::MAX);
    let block = spec.sample_rate / BLOCKS * u32::from(channels) * size_of::<f32>() as u32;
    RecordStreamParams {
        sample_spec: SampleSpec {
            format: SampleFormat::Float32Le,
            channels,
            sample_rate: spec.sample_rate,
        },
        channel_map: source.channel_map,
        source_index: Some(source.index),
        buffer_attr: BufferAttr {
            fragment_size: block,
            ..BufferAttr::default()
        },
        flags: StreamFlags {
            // The device is to give its sound as often.
            adjust_latency: true,
            ..StreamFlags::default()
        },
        ..RecordStreamParams::default()
    }
}

fn complaint(error: &ClientError) -> Complaint {
    match error {
        ClientError::ServerError(PulseError::NoEntity | PulseError::Busy | PulseError::Timeout)
        | ClientError::ServerUnavailable => Complaint::Gone,
        ClientError::Disconnected | ClientError::Io(_) | ClientError::UnexpectedSequenceNumber => {
            Complaint::Changed
        }
        _ => Complaint::Other,
    }
}

/// What a question to the server gives; none where it hangs. Then the thread is left waiting for it.
fn in_time<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (give, coming) = mpsc::channel();
    std::thread::Builder::new()
        .name("asks-server".to_owned())
        .spawn(move || give.send(ask()))
        .ok()?;
    coming.recv_timeout(PATIENCE).ok()
}
