//! Programs that are started to be measured: ended by their pid, looked at through `/proc`.

use std::fs::{OpenOptions, read_to_string};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(15);
/// Ticks of `/proc/PID/stat` a second: USER_HZ, 100 on every Linux.
const TICKS: f64 = 100.0;

/// A program that runs until this is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Starts it and notes its pid in `pids`, for whoever cleans up after a broken run.
    pub(crate) fn start(command: &mut Command, pids: &Path) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("{program} cannot be started"))?;
        let running = Self(child);
        let mut file = OpenOptions::new().create(true).append(true).open(pids)?;
        writeln!(file, "{}", running.pid())?;
        Ok(running)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }

    /// Asks it to end and waits until it has.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(asked.success(), "process {} could not be asked to end", self.pid());
        let begun = Instant::now();
        while begun.elapsed() < GRACE {
            if self.has_ended()? {
                return Ok(());
            }
            sleep(Duration::from_millis(20));
        }
        anyhow::bail!("process {} does not end", self.pid())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory in megabytes (10^6 bytes).
pub(crate) fn resident_mb(pid: u32) -> anyhow::Result<f64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Seconds of processor time that it has used so far.
pub(crate) fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before it is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// Which share of the machine's processor time is used by anything, over the next `seconds`.
pub(crate) fn busy_share(seconds: f64) -> anyhow::Result<f64> {
    let [busy_before, all_before] = processor_ticks()?;
    sleep(Duration::from_secs_f64(seconds));
    let [busy, all] = processor_ticks()?;
    Ok((busy - busy_before) / (all - all_before).max(1.0))
}

/// Ticks that were used, and all ticks, since the machine started.
fn processor_ticks() -> anyhow::Result<[f64; 2]> {
    let stat = read_to_string("/proc/stat")?;
    let line = stat.lines().next().context("/proc/stat")?;
    // user nice system idle iowait irq softirq steal; what follows is counted in the first two.
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let all: f64 = ticks.iter().sum();
    Ok([all - ticks.iter().skip(3).take(2).sum::<f64>(), all])
}
