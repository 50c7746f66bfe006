//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the short form of a start's reference.
//!
//! The draft's value is a string of structured fields (RFC 9651, section 3.3.3), in quotes. Many clients send the bare
//! key, and so that is taken as well. Within the ledger the key is unique to the principal that sends it.

use axum::http::HeaderMap;
use domain::{PrincipalId, Reference, ReferencePart};

use crate::endpoints::id_of_ours;
use crate::problem::Problem;

/// The header's name.
pub const NAME: &str = "idempotency-key";

/// How errors name it.
const SHOWN: &str = "header Idempotency-Key";

/// The reference that the header is short for: its source is the principal.
///
/// # Errors
/// 422 where it is given twice, or is of neither form.
pub fn of(headers: &HeaderMap, principal: &PrincipalId) -> Result<Option<Reference>, Problem> {
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid(SHOWN, "is given twice; give it once"));
    }
    let wrong = || {
        let most = ReferencePart::MOST;
        Problem::invalid(
            SHOWN,
            format!(
                "must be a key of 1 to {most} printable ASCII characters, in quotes as in \"8e03978e\", or bare and \
                 then without quotes, spaces, commas and semicolons"
            ),
        )
    };
    let key = value.to_str().ok().and_then(|text| read(text.trim_matches([' ', '\t']))).ok_or_else(wrong)?;
    let id = ReferencePart::try_from(key).map_err(|_| wrong())?;
    id_of_ours(id.as_str(), SHOWN)?;
    let source = ReferencePart::try_from(principal.as_str().to_owned());
    let source = source.map_err(|error| Problem::internal(&error))?;
    Ok(Some(Reference { source, id }))
}

/// The key in a header's value; none where it is of neither form.
fn read(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let bare = |c: char| c.is_ascii_graphic() && !['"', '\\', ',', ';'].contains(&c);
        return (!text.is_empty() && text.chars().all(bare)).then(|| text.to_owned());
    };
    let mut key = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            // Nothing follows: the draft defines no parameters.
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| ['"', '\\'].contains(c))?),
            c if c == ' ' || c.is_ascii_graphic() => key.push(c),
            _ => return None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn given(values: &[&str]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(NAME, value.parse().unwrap());
        }
        let reference = of(&headers, &"svc".parse().unwrap())?;
        Ok(reference.map(|it| format!("{} {}", it.source.as_str(), it.id.as_str())))
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        assert_eq!(given(&[]).unwrap(), None);
        let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        for value in [uuid.to_owned(), format!("\"{uuid}\""), format!("  \"{uuid}\" ")] {
            assert_eq!(given(&[&value]).unwrap(), Some(format!("svc {uuid}")), "{value}");
        }
        assert_eq!(given(&[r#""a \"b\" \\ c""#]).unwrap().unwrap(), r#"svc a "b" \ c"#);
    }

    #[test]
    fn what_is_of_neither_form_is_refused() {
        let long = "x".repeat(256);
        for value in [
            "",
            "\"\"",
            "\"a",
            "a\"",
            "a b",
            "a,b",
            "a;b=1",
            "\"a\";b=1",
            "\"a\", \"b\"",
            r#""a\n""#,
            "\" a\"",
            &long,
        ] {
            let problem = given(&[value]).unwrap_err();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, SHOWN), "{value}");
        }
        assert_eq!(given(&["a", "a"]).unwrap_err().status, 422);
    }
}
