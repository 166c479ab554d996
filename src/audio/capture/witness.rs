//! Whether a PulseAudio server (or PipeWire in its place) moved our streams to another source. It
//! does so without an error, at the wish of any program or when a device is unplugged.
//!
//! A second connection, made before the lockdown's second phase and kept open, asks every second
//! where this process's recording streams come from. It refuses to guess: a server that does not
//! answer is not known.

use std::ffi::CStr;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pulseaudio::protocol::{
    AuthParams, AuthReply, ClientInfoList, Command, CommandReply, GetSourceInfo, MAX_VERSION, Prop,
    Props, SetClientNameReply, SourceInfo, SourceOutputInfoList, TagStructRead, read_reply_message,
    write_command_message,
};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Watches from a thread of its own; ends when dropped.
pub(super) struct Witness {
    seen: Arc<Mutex<Option<Option<String>>>>,
    over: Arc<AtomicBool>,
}

impl Witness {
    /// Begins to watch the streams that this process has now on the source `name`, or, where it has
    /// none there, all it has. None where there is no such server.
    pub(super) fn begin(name: &str) -> Option<Witness> {
        let mut line = Line::connect()?;
        let all = line.own_clients()?;
        let mut own = all.clone();
        // With two devices there are two connections, each with one device's streams.
        own.retain(|client| {
            let first = line
                .places(&[*client])
                .and_then(|places| places.first().copied());
            first
                .and_then(|place| line.source(place))
                .is_some_and(|source| source.name.to_bytes() == name.as_bytes())
        });
        if own.is_empty() {
            own = all;
        }
        let first = *line.places(&own)?.first()?;
        let home = line.source(first)?.name;
        let seen = Arc::new(Mutex::new(Some(None)));
        let over = Arc::new(AtomicBool::new(false));
        let (tell, ended) = (Arc::clone(&seen), Arc::clone(&over));
        std::thread::Builder::new()
            .name("witness".to_owned())
            .spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    std::thread::sleep(EVERY);
                    let now = line.moved(&own, &home);
                    let known = now.is_some();
                    *tell.lock().unwrap_or_else(PoisonError::into_inner) = now;
                    // A line that is out of step cannot be trusted again.
                    if !known {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Witness { seen, over })
    }

    /// None when it is not known; then the name of the source the streams were moved to, if any.
    pub(super) fn moved_to(&self) -> Option<Option<String>> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// A connection on which one question is asked at a time.
struct Line {
    socket: BufReader<UnixStream>,
    version: u16,
    number: u32,
}

impl Line {
    fn connect() -> Option<Line> {
        let path = pulseaudio::socket_path_from_env()?;
        let cookie = pulseaudio::cookie_path_from_env().and_then(|path| std::fs::read(path).ok());
        let socket = UnixStream::connect(path).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut line = Line {
            socket: BufReader::new(socket),
            version: MAX_VERSION,
            number: 0,
        };
        let auth: AuthReply = line.ask(&Command::Auth(AuthParams {
            version: MAX_VERSION,
            supports_shm: false,
            supports_memfd: false,
            cookie: cookie.unwrap_or_default(),
        }))?;
        line.version = MAX_VERSION.min(auth.version);
        let mut props = Props::new();
        props.set(Prop::ApplicationName, c"undertone");
        let _: SetClientNameReply = line.ask(&Command::SetClientName(props))?;
        Some(line)
    }

    fn ask<T: CommandReply + TagStructRead>(&mut self, command: &Command) -> Option<T> {
        self.number += 1;
        let version = self.version;
        write_command_message(self.socket.get_mut(), self.number, command, version).ok()?;
        let (number, reply) = read_reply_message(&mut self.socket, version).ok()?;
        (number == self.number).then_some(reply)
    }

    /// The connections by which this process records.
    fn own_clients(&mut self) -> Option<Vec<u32>> {
        let name = super::pulse::client_name();
        let all: ClientInfoList = self.ask(&Command::GetClientInfoList)?;
        Some(
            all.into_iter()
                .filter(|client| client.name == name)
                .map(|client| client.index)
                .collect(),
        )
    }

    /// The sources that our streams come from, by the server's numbers.
    fn places(&mut self, own: &[u32]) -> Option<Vec<u32>> {
        let all: SourceOutputInfoList = self.ask(&Command::GetSourceOutputInfoList)?;
        let mut places: Vec<u32> = all
            .into_iter()
            .filter(|output| {
                output
                    .client_index
                    .is_some_and(|client| own.contains(&client))
            })
            .map(|output| output.source_index)
            .collect();
        places.sort_unstable();
        places.dedup();
        Some(places)
    }

    fn source(&mut self, index: u32) -> Option<SourceInfo> {
        self.ask(&Command::GetSourceInfo(GetSourceInfo {
            index: Some(index),
            name: None,
        }))
    }

    /// The name of a source other than `home` that one of our streams comes from. By name: a device
    /// that was plugged in again has another number.
    fn moved(&mut self, own: &[u32], home: &CStr) -> Option<Option<String>> {
        for place in self.places(own)? {
            let source = self.source(place)?;
            if source.name.as_c_str() != home {
                let name = source.description.unwrap_or(source.name);
                return Some(Some(name.to_string_lossy().into_owned()));
            }
        }
        Some(None)
    }
}
