//! Texts for people, in lines as long as their terminal is wide.

use std::io;

use rustix::termios::{isatty, tcgetwinsize};

/// What the lines of an indented paragraph behind its first are indented by, beside its own blanks.
const HANGING: usize = 2;

/// How many characters fit into a line of the terminal behind stdout, if it is one that knows.
pub(crate) fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    if !isatty(&out) {
        return None;
    }
    let columns = tcgetwinsize(&out).ok()?.ws_col;
    (columns > 0).then(|| usize::from(columns))
}

/// Breaks paragraphs anew. An empty line ends a paragraph; an indented line is one of its own, and keeps its blanks.
pub(crate) fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in text.lines() {
        let content = line.trim_start();
        let indent = line.len() - content.len();
        if !is_open || indent > 0 || content.is_empty() {
            lines.push(" ".repeat(indent));
        }
        let hanging = if indent > 0 { indent + HANGING } else { 0 };
        // Two blanks between a name and its description are a word without letters.
        for word in content.split(' ') {
            add_word(&mut lines, word, hanging, width);
        }
        is_open = indent == 0 && !content.is_empty();
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

fn add_word(lines: &mut Vec<String>, word: &str, hanging: usize, width: usize) {
    match lines.last_mut() {
        Some(line) if line.trim_start().is_empty() => line.push_str(word),
        Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
            line.push(' ');
            line.push_str(word);
        }
        _ => lines.push(" ".repeat(hanging) + word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_anew_and_lists_stay_lists() {
        let text = "one two three four\nfive\n\nInputs:\n  a  is a long one\n  b\n\nend";
        assert_eq!(
            wrapped(text, 11),
            "one two\nthree four\nfive\n\nInputs:\n  a  is a\n    long\n    one\n  b\n\nend"
        );
        assert_eq!(
            wrapped(text, 80),
            "one two three four five\n\nInputs:\n  a  is a long one\n  b\n\nend"
        );
    }

    #[test]
    fn a_word_longer_than_a_line_has_one_of_its_own() {
        assert_eq!(wrapped("a extraordinary b", 5), "a\nextraordinary\nb");
    }
}
