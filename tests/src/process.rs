//! What a process costs: CPU, memory and open files, as /proc tells them.

use std::fs;
use std::time::Duration;

/// A process, running or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    ticks_per_second: u64,
}

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { pid, ticks_per_second: rustix::param::clock_ticks_per_second() }
    }

    /// User and system time of all its threads so far; none: it does not run.
    pub fn cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // Fields are counted after the name, which may itself hold spaces and parentheses.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 1000 / self.ticks_per_second))
    }

    /// Its resident memory now, in bytes.
    pub fn rss_bytes(&self) -> Option<u64> {
        self.status_bytes("VmRSS:")
    }

    /// Its peak resident memory since it began or since [`Process::reset_peak`], in bytes.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.status_bytes("VmHWM:")
    }

    fn status_bytes(&self, field: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
    }

    /// Lets the peak begin anew, where the kernel allows it.
    pub fn reset_peak(&self) {
        // Without permission the peak is that of the whole life, which is a larger number, not a wrong one.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.pid), "5");
    }

    /// Files, sockets and the like that it has open.
    pub fn open_files(&self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/fd", self.pid)).ok()?.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_has_memory_and_open_files() {
        let own = Process::new(std::process::id());
        assert!(own.cpu().is_some());
        assert!(own.rss_bytes().unwrap() <= own.peak_bytes().unwrap());
        let before = own.open_files().unwrap();
        assert!(before > 2, "{before}");
    }

    #[test]
    fn a_process_that_does_not_run_has_nothing() {
        let nobody = Process::new(u32::MAX);
        assert_eq!((nobody.cpu(), nobody.rss_bytes(), nobody.open_files()), (None, None, None));
    }
}
