//! Panics of kernels as typed failures.

use std::any::Any;

use arena_core::protocol::Failure;

/// The failure that a caught panic stands for.
pub(crate) fn panicked(kernel: &str, payload: &(dyn Any + Send)) -> Failure {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::System {
        detail: format!("{kernel} panicked: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_kinds_are_kept() {
        for panic in [
            std::panic::catch_unwind(|| panic!("seven")),
            std::panic::catch_unwind(|| panic!("{}", 7 * 1000)),
        ] {
            let failure = panicked("sum", panic.unwrap_err().as_ref());
            let text = failure.to_string();
            assert!(text.contains("sum panicked: seven") || text.contains("sum panicked: 7000"));
        }
    }
}
