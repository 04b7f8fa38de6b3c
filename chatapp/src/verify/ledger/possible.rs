//! A value that others may have set: the last one known to be set, and those of which it is not known.

/// The outcome of a try is unknown until it succeeds. One that never does may take effect at any time.
#[derive(Debug)]
pub(super) struct Possible<T> {
    certain: T,
    /// Bounded by the number of tries without an answer.
    unknown: Vec<T>,
}

impl<T: PartialEq> Possible<T> {
    pub fn certain(value: T) -> Self {
        Self { certain: value, unknown: Vec::new() }
    }

    /// Somebody is about to set it.
    pub fn attempt(&mut self, value: T) {
        self.unknown.push(value);
    }

    /// They did.
    pub fn succeed(&mut self, value: T) {
        if let Some(attempt) = self.unknown.iter().position(|unknown| *unknown == value) {
            self.unknown.swap_remove(attempt);
        }
        self.certain = value;
    }

    /// May it be this?
    pub fn allows(&self, value: &T) -> bool {
        self.certain == *value || self.unknown.contains(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_ends_what_was_before_and_an_attempt_without_one_stays_possible() {
        let mut value = Possible::certain(1);
        value.attempt(2);
        assert!(value.allows(&1) && value.allows(&2));
        value.attempt(3);
        value.succeed(3);
        assert!(!value.allows(&1) && value.allows(&2) && value.allows(&3));
    }
}
