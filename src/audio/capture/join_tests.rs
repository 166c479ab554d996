#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

/// A slow tone that tells the time and a faster one in which a click would be seen.
const SLOW: f64 = 5.0;
const FAST: f64 = 440.0;

fn sound(at: f64) -> f32 {
    let wave = |hz: f64| (std::f64::consts::TAU * hz * at).sin();
    (0.4 * wave(SLOW) + 0.4 * wave(FAST)) as f32
}

/// A device that hears [`sound`].
struct Simulated {
    rate: f64,
    real: f64,
    /// When it begins, and how late it hands on.
    start: f64,
    latency: f64,
    jitter: f64,
    state: u64,
    next: f64,
    given: u64,
}

impl Simulated {
    fn new(rate: u32, ppm: f64, start: f64, latency: f64, jitter: f64, seed: u64) -> Self {
        Simulated {
            rate: f64::from(rate),
            real: f64::from(rate) * (1.0 + ppm * 1e-6),
            start,
            latency,
            jitter,
            state: seed | 1,
            next: start + 0.02,
            given: 0,
        }
    }

    fn random(&mut self) -> f64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f64 / f64::from(1 << 24)
    }

    /// Gives what is due by `now`.
    fn run(&mut self, device: usize, joint: &mut Joint, now: f64, heard: &mut u64) {
        while self.next <= now {
            let heard_until = self.next - self.start - self.latency;
            let until = ((heard_until.max(0.0) * self.real) as u64).max(self.given);
            let samples: Vec<f32> = (self.given..until)
                .map(|i| sound(self.start + i as f64 / self.real))
                .collect();
            self.given = until;
            *heard += samples.len() as u64;
            joint.hear(device, &samples);
            joint.called(device, self.next, until);
            self.next += 0.02 + (self.random() - 0.5) * self.jitter.min(0.03);
            let due = self.start + self.latency + self.given as f64 / self.real;
            // Late for once is not late for ever.
            self.next = self.next.min(due + 0.06);
        }
    }
}

/// When the slow tone in a channel was heard, in seconds modulo its period.
fn time_of(frames: &[f32], channel: usize, rate: f64) -> f64 {
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (i, frame) in frames.chunks_exact(2).enumerate() {
        let angle = std::f64::consts::TAU * SLOW * i as f64 / rate;
        sine += f64::from(frame[channel]) * angle.sin();
        cosine += f64::from(frame[channel]) * angle.cos();
    }
    cosine.atan2(sine) / (std::f64::consts::TAU * SLOW)
}

struct Outcome {
    /// The most by which the channels were apart, in seconds.
    apart: f64,
    /// The most by which a channel was off its time.
    off: f64,
    /// The sharpest bend of the waves.
    click: f64,
    frames: u64,
}

/// Runs two devices for so many seconds and looks at every second that comes out.
fn run(joint: &mut Joint, devices: &mut [Simulated; 2], from: f64, to: f64) -> Outcome {
    let rate = devices[0].rate;
    let mut heard = [0; 2];
    let second = rate as usize * 2;
    let mut now = from;
    let mut out: Vec<f32> = Vec::new();
    let mut found = Outcome {
        apart: 0.0,
        off: 0.0,
        click: 0.0,
        frames: 0,
    };
    let mut before: Vec<[f32; 2]> = Vec::new();
    while now < to {
        now += 0.01;
        for (device, simulated) in devices.iter_mut().enumerate() {
            simulated.run(device, joint, now, &mut heard[device]);
        }
        joint.poll(now, &mut out).unwrap();
        while out.len() >= second {
            let part: Vec<f32> = out.drain(..second).collect();
            let began = joint.begin().unwrap();
            let at = began + found.frames as f64 / rate;
            found.frames += rate as u64;
            if found.frames as f64 / rate > 2.0 {
                let period = 1.0 / SLOW;
                let [a, b] = [0, 1].map(|channel| {
                    let off = (time_of(&part, channel, rate) - at).rem_euclid(period);
                    let off = if off > period / 2.0 {
                        off - period
                    } else {
                        off
                    };
                    // The first device's way of handing on is the measure for both.
                    off + devices[channel].latency
                });
                let apart = (a - b).rem_euclid(period);
                found.apart = found.apart.max(apart.min(period - apart));
                found.off = found.off.max(a.abs()).max(b.abs());
                for frame in part.chunks_exact(2) {
                    if let [older, last] = before[..] {
                        for channel in [0, 1] {
                            let bend = frame[channel] - 2.0 * last[channel] + older[channel];
                            found.click = found.click.max(f64::from(bend.abs()));
                        }
                        before.remove(0);
                    }
                    before.push([frame[0], frame[1]]);
                }
            }
        }
    }
    found
}

/// The sharpest bend of the undisturbed waves: A (2 pi f / rate)^2, both together.
fn smooth(rate: f64) -> f64 {
    let of = |hz: f64| 0.4 * (2.0 - 2.0 * (std::f64::consts::TAU * hz / rate).cos());
    of(SLOW) + of(FAST)
}

#[test]
fn clocks_200_parts_in_a_million_apart_stay_together_for_an_hour() {
    let rate = 8_000;
    let mut joint = Joint::new([rate, rate], rate).unwrap();
    let mut devices = [
        Simulated::new(rate, 100.0, 0.0, 0.0, 0.03, 7),
        Simulated::new(rate, -100.0, 0.37, 0.0, 0.03, 8),
    ];
    let found = run(&mut joint, &mut devices, 0.0, 3_600.0);
    println!(
        "200 ppm, 3600 s: channels {:.2} ms apart at most, {:.2} ms off the clock, ppm {:?} {:?}",
        found.apart * 1e3,
        found.off * 1e3,
        joint.ppm(0),
        joint.ppm(1)
    );
    assert!(found.frames as f64 / f64::from(rate) >= 3_598.0);
    assert!(found.apart < 0.005, "{} s apart", found.apart);
    assert!(found.off < 0.005, "{} s off", found.off);
    assert!(found.click < smooth(8_000.0) * 1.1, "{}", found.click);
    assert_eq!(joint.silences(), []);
    assert!((joint.ppm(0).unwrap() - 100.0).abs() < 10.0);
    assert!((joint.ppm(1).unwrap() + 100.0).abs() < 10.0);
    let began = joint.offset(1).unwrap() - joint.offset(0).unwrap();
    assert!((began - 0.37).abs() < 0.005, "{began}");
}

#[test]
fn sound_that_a_device_lost_is_silence_and_what_follows_is_in_its_place() {
    let rate = 8_000;
    let mut joint = Joint::new([rate, rate], rate).unwrap();
    let mut devices = [
        Simulated::new(rate, 20.0, 0.0, 0.0, 0.01, 3),
        Simulated::new(rate, -90.0, 0.1, 0.0, 0.01, 4),
    ];
    run(&mut joint, &mut devices, 0.0, 60.0);
    assert_eq!(joint.silences(), []);
    // Its frames are those of later moments from here on.
    devices[1].start += 0.2;
    run(&mut joint, &mut devices, 60.0, 64.0);
    let found = run(&mut joint, &mut devices, 64.0, 90.0);
    assert!(found.apart < 0.002, "{} s apart", found.apart);
    let [silence] = joint.silences() else {
        panic!("{:?}", joint.silences());
    };
    let seconds = silence.frames.unwrap() as f64 / f64::from(rate);
    assert_eq!(silence.device, 1);
    assert!((0.19..0.25).contains(&seconds), "{seconds} s");
}

#[test]
fn a_device_that_stops_becomes_silence_and_comes_back_in_its_place() {
    let rate = 8_000;
    let mut joint = Joint::new([rate, rate], rate).unwrap();
    let mut devices = [
        Simulated::new(rate, 20.0, 0.0, 0.0, 0.01, 5),
        Simulated::new(rate, -90.0, 0.1, 0.0, 0.01, 6),
    ];
    run(&mut joint, &mut devices, 0.0, 30.0);
    // Nothing for ten seconds, and what was said meanwhile is lost.
    let [mine, theirs] = &mut devices;
    let (mut out, mut heard, mut now) = (Vec::new(), 0, 30.0);
    while now < 40.0 {
        now += 0.01;
        mine.run(0, &mut joint, now, &mut heard);
        joint.poll(now, &mut out).unwrap();
    }
    assert!(joint.resting(1) && !joint.resting(0));
    theirs.start += 10.0;
    theirs.next = 40.0;
    run(&mut joint, &mut devices, 40.0, 44.0);
    let found = run(&mut joint, &mut devices, 44.0, 60.0);
    assert!(found.apart < 0.002, "{} s apart", found.apart);
    assert!(!joint.resting(1));
    let frames: u64 = joint.silences().iter().filter_map(|s| s.frames).sum();
    let seconds = frames as f64 / f64::from(rate);
    assert!((9.0..13.0).contains(&seconds), "{:?}", joint.silences());
}

#[test]
fn devices_of_different_rates_are_placed_alike() {
    let mut joint = Joint::new([16_000, 11_025], 16_000).unwrap();
    let mut devices = [
        Simulated::new(16_000, 0.0, 0.0, 0.0, 0.0, 1),
        Simulated::new(11_025, 50.0, 0.1, 0.0, 0.0, 2),
    ];
    let found = run(&mut joint, &mut devices, 0.0, 60.0);
    assert!(found.apart < 0.002, "{} s apart", found.apart);
    assert!(found.click < smooth(16_000.0) * 1.1, "{}", found.click);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_two_clocks_stay_together(
        ppm in prop::array::uniform2(-300.0..300.0f64),
        start in 0.0..2.0f64,
        jitter in 0.0..0.03f64,
        seed in any::<u64>(),
    ) {
        let rate = 4_000;
        let mut joint = Joint::new([rate, rate], rate).unwrap();
        let mut devices = [
            Simulated::new(rate, ppm[0], 0.0, 0.0, jitter, seed),
            Simulated::new(rate, ppm[1], start, 0.0, jitter, seed ^ 0x5555),
        ];
        let found = run(&mut joint, &mut devices, 0.0, 240.0);
        prop_assert!(found.apart < 0.008, "{} s apart", found.apart);
        prop_assert!(found.click < smooth(4_000.0) * 1.1, "{}", found.click);
        prop_assert_eq!(joint.silences(), []);
    }
}
