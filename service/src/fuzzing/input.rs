//! Takes an input apart. What is missing is zero or empty, so that every input means something.

/// What is left of an input.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// Two bytes, little endian.
    pub fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Eight bytes, little endian.
    pub fn long(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// At most so many bytes.
    pub fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// What comes before the next line end, which is taken too.
    pub fn line(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == b'\n').unwrap_or(self.0.len());
        let line = self.take(end);
        self.take(1);
        line
    }

    /// The next line, with what is not UTF-8 replaced.
    pub fn text_line(&mut self) -> String {
        String::from_utf8_lossy(self.line()).into_owned()
    }

    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_comes_apart_and_what_is_missing_is_zero_or_empty() {
        let mut input = Input::new(b"\x07\x01\x02abc\nd\nrest");
        assert_eq!((input.byte(), input.number()), (7, 0x0201));
        assert_eq!((input.take(1), input.line(), input.text_line().as_str()), (&b"a"[..], &b"bc"[..], "d"));
        assert_eq!(input.rest(), b"rest");
        assert_eq!((input.line(), input.take(3), input.long()), (&b"rest"[..], &b""[..], 0));
        assert!(input.is_empty());
    }
}
