//! What is left to be read of a file that is whole in memory: of numbers and names one after another.

/// The bytes that are left. Asked for more than there are, each answers with nothing.
pub(crate) struct Rest<'a>(pub(crate) &'a [u8]);

impl<'a> Rest<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(count)?;
        self.0 = left;
        Some(taken)
    }

    /// A number in four bytes, the lowest first.
    pub(crate) fn number(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    pub(crate) fn text(&mut self, length: usize) -> Option<String> {
        String::from_utf8(self.take(length)?.into()).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_read_and_nothing_is_lost_by_asking() {
        let mut rest = Rest(&[2, 0, 0, 0, b'h', b'i', 0xff]);
        assert_eq!(rest.number(), Some(2));
        assert_eq!(rest.take(4), None);
        assert_eq!(rest.text(2).unwrap(), "hi");
        assert_eq!(rest.number(), None);
        assert_eq!(rest.text(1), None);
        assert!(rest.0.is_empty());
    }
}
