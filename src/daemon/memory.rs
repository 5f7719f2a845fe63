//! How much memory the process takes, by the kernel's word.

/// Bytes in memory (`VmRSS`), and of these locked (`VmLck`), as proc(5) has them; zero where it does not.
pub(super) fn of_this_process() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    (bytes(&status, "VmRSS:"), bytes(&status, "VmLck:"))
}

fn bytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kibibytes = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or_default().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let status = "Name:\tvouchsafe\nVmLck:\t     128 kB\nVmRSS:\t    2048 kB\n";
        assert_eq!((bytes(status, "VmRSS:"), bytes(status, "VmLck:")), (2 << 20, 128 << 10));
        assert_eq!(bytes(status, "VmSwap:"), 0);
        assert!(of_this_process().0 > 1 << 20, "this test is in memory");
    }
}
