//! What an error of the database means. The one place that knows.

/// What an error of the database means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseErrorKind {
    /// It does not answer, starts or stops, or the connection is gone. What was sent may have been carried out.
    Unavailable,
    /// It lacks resources, such as free connections or room on its disk. Nothing was carried out.
    OutOfResources,
    /// Our own pool is closed: the program stops.
    PoolClosed,
    /// There is no connection that the settings call safe, and none will be until somebody mends that.
    Tls,
    /// It does not know us by this name and password.
    Unauthenticated,
    /// It knows us, and we may not do that.
    Forbidden,
    /// Another transaction was in the way. Nothing was carried out.
    Conflict,
    /// It refuses the data itself, and will do so again.
    Data,
    /// Anything else: a statement or a schema is wrong, or an answer is not what was asked for.
    Other,
}

impl DatabaseErrorKind {
    /// What that error means.
    #[must_use]
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            // What comes from the handshake and not from the network; the system itself reports nothing of this kind.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => Self::Tls,
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => Self::Unavailable,
            sqlx::Error::PoolClosed => Self::PoolClosed,
            sqlx::Error::Tls(_) => Self::Tls,
            sqlx::Error::Encode(_) => Self::Data,
            sqlx::Error::Database(error) => error.code().map_or(Self::Other, |code| Self::of_code(&code)),
            _ => Self::Other,
        }
    }

    /// By the SQLSTATE (PostgreSQL's manual, appendix A), the first two characters of which are its class.
    fn of_code(code: &str) -> Self {
        match (code, code.get(..2)) {
            // insufficient_privilege
            ("42501", _) => Self::Forbidden,
            // serialization_failure, deadlock_detected
            ("40001" | "40P01", _) => Self::Conflict,
            // Connection exception; operator intervention: it starts, stops, or has cancelled us.
            (_, Some("08" | "57")) => Self::Unavailable,
            (_, Some("53")) => Self::OutOfResources,
            (_, Some("28")) => Self::Unauthenticated,
            // Data exception; integrity constraint violation; limit exceeded, such as an index entry that is too long.
            (_, Some("22" | "23" | "54")) => Self::Data,
            _ => Self::Other,
        }
    }

    /// Whether it may be better in a moment, by itself.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Unavailable | Self::OutOfResources)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_code_is_known_by_itself_or_by_its_class() {
        for (code, kind, transient) in [
            ("08006", DatabaseErrorKind::Unavailable, true),
            ("57P03", DatabaseErrorKind::Unavailable, true),
            ("57014", DatabaseErrorKind::Unavailable, true),
            ("53300", DatabaseErrorKind::OutOfResources, true),
            ("53100", DatabaseErrorKind::OutOfResources, true),
            ("28P01", DatabaseErrorKind::Unauthenticated, false),
            ("42501", DatabaseErrorKind::Forbidden, false),
            ("40001", DatabaseErrorKind::Conflict, false),
            ("40P01", DatabaseErrorKind::Conflict, false),
            ("22021", DatabaseErrorKind::Data, false),
            ("23505", DatabaseErrorKind::Data, false),
            ("54000", DatabaseErrorKind::Data, false),
            ("42P01", DatabaseErrorKind::Other, false),
            ("55P03", DatabaseErrorKind::Other, false),
            ("", DatabaseErrorKind::Other, false),
        ] {
            let found = DatabaseErrorKind::of_code(code);
            assert_eq!((found, found.is_transient()), (kind, transient), "{code}");
        }
    }

    #[test]
    fn a_handshake_that_fails_is_not_a_network_that_fails() {
        let of_io = |kind: io::ErrorKind| DatabaseErrorKind::of(&sqlx::Error::Io(kind.into()));
        assert_eq!(of_io(io::ErrorKind::ConnectionRefused), DatabaseErrorKind::Unavailable);
        assert_eq!(of_io(io::ErrorKind::InvalidData), DatabaseErrorKind::Tls);
        assert_eq!(DatabaseErrorKind::of(&sqlx::Error::Tls("no".into())), DatabaseErrorKind::Tls);
        assert_eq!(DatabaseErrorKind::of(&sqlx::Error::PoolTimedOut), DatabaseErrorKind::Unavailable);
        assert_eq!(DatabaseErrorKind::of(&sqlx::Error::PoolClosed), DatabaseErrorKind::PoolClosed);
        assert_eq!(DatabaseErrorKind::of(&sqlx::Error::RowNotFound), DatabaseErrorKind::Other);
    }
}
