//! The kernels there are.

use crate::kernel;
use crate::signature::Signature;

static KERNELS: [&Signature; 9] = [
    &kernel::sum::SIGNATURE,
    &kernel::mean::SIGNATURE,
    &kernel::var::SIGNATURE,
    &kernel::std::SIGNATURE,
    &kernel::min::SIGNATURE,
    &kernel::max::SIGNATURE,
    &kernel::dot::SIGNATURE,
    &kernel::histogram::SIGNATURE,
    &kernel::scale_add::SIGNATURE,
];

/// All kernels.
#[must_use]
pub fn kernels() -> &'static [&'static Signature] {
    &KERNELS
}

/// The kernel of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Signature> {
    KERNELS.into_iter().find(|kernel| kernel.name == name)
}

/// The kernel whose name is most like `name`, if one is like it at all.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    let close_enough = 1 + name.len().min(32) / 3;
    KERNELS
        .iter()
        .map(|kernel| (edits(name, kernel.name), kernel.name))
        .filter(|(edits, _)| *edits <= close_enough)
        .min()
        .map(|(_, name)| name)
}

/// Insertions, removals and replacements that make `from` into `to`; of a long `from`, its first 32 bytes count.
fn edits(from: &str, to: &str) -> usize {
    let from = from.to_ascii_lowercase();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().take(32).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_their_kernels() {
        for kernel in kernels() {
            assert_eq!(find(kernel.name).map(|found| found.name), Some(kernel.name));
            assert_eq!(nearest(kernel.name), Some(kernel.name));
        }
        assert!(find("Sum").is_none());
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(edits("sum", "sum"), 0);
        assert_eq!(edits("", "sum"), 3);
        assert_eq!(edits("Sun", "sum"), 1);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn the_nearest_name_is_near() {
        assert_eq!(nearest("summ"), Some("sum"));
        assert_eq!(nearest("fourier_transform"), None);
    }
}
