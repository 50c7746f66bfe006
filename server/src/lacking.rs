//! What the database lacks, and how it is mended.

use std::fmt;

use migrations::Missing;

/// What is missing in the database, and what the program needed it for.
#[derive(Debug)]
pub struct Lacking {
    pub(crate) missing: Vec<Missing>,
    pub(crate) purpose: Purpose,
}

/// What the program looked at the rights for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// To mend them, which the database did not allow.
    Mending,
    /// To serve.
    Serving,
}

impl fmt::Display for Lacking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rights in the database are not what the ledger needs:")?;
        for one in &self.missing {
            write!(f, "\n  {}", one.what)?;
        }
        f.write_str(match self.purpose {
            Purpose::Mending => {
                "\nThis user may not mend it. Run this as a superuser, then `runledger migrate` again:"
            }
            Purpose::Serving => {
                "\n`runledger migrate` mends it, by a user that owns the tables and has CREATEROLE. By hand:"
            }
        })?;
        for one in &self.missing {
            write!(f, "\n  {}", one.mend)?;
        }
        Ok(())
    }
}
