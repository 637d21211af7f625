//! How a file is written, as far as the TOML library does not keep it.

/// Line ends, and what is before the first line.
#[derive(Clone, Copy)]
pub(super) struct Style {
    crlf: bool,
    byte_order_mark: bool,
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Style {
    pub(super) fn of(content: &[u8]) -> Style {
        let ends = content.windows(2).filter(|pair| pair == b"\r\n").count();
        let lines = content.iter().filter(|byte| **byte == b'\n').count();
        Style {
            crlf: ends > 0 && ends == lines,
            byte_order_mark: content.starts_with(BYTE_ORDER_MARK),
        }
    }

    pub(super) fn apply(self, text: &str) -> Vec<u8> {
        let mark = if self.byte_order_mark { BYTE_ORDER_MARK } else { b"" };
        // Those within a string have come through as they are, and are a part of its value.
        match self.crlf {
            true => [mark, text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes()].concat(),
            false => [mark, text.as_bytes()].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_like_it_stays() {
        for content in ["a = 1\n", "a = 1\r\nb = 2\r\n", "\u{feff}a = 1\n", ""] {
            let text = content.trim_start_matches('\u{feff}').replace("\r\n", "\n");
            let written = Style::of(content.as_bytes()).apply(&text);
            assert_eq!(written, content.as_bytes());
        }
    }

    #[test]
    fn line_ends_within_a_string_stay() {
        let content = "a = 1\nb = \"\"\"x\r\ny\"\"\"\n";
        assert_eq!(Style::of(content.as_bytes()).apply(content), content.as_bytes());
    }
}
