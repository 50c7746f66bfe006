//! Asking for a time stamp, and what the answer says (RFC 3161, DER). Whether the authority has signed it is not looked
//! at: who does not believe an authority's certificates here has them checked where they count, by the reader.

use der::asn1::{Any, AnyRef, Null, ObjectIdentifier, OctetStringRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use seal::Hash;
use seal::time_stamp::{Claimed, claimed};

const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const EXPLICIT: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };

/// How much of what an authority says in words is told.
const MOST_WORDS: usize = 200;

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStamped {
    /// It can't be read.
    #[error("its answer is no time-stamp response in DER: {0}")]
    Malformed(#[from] der::Error),
    /// It lacks something.
    #[error("its answer lacks {0}")]
    Lacks(&'static str),
    /// It gives none.
    #[error("it refuses, with status {0}{1}")]
    Refused(u8, String),
    /// It is about other bytes.
    #[error("its time stamp is about other bytes than were asked for")]
    OtherImprint,
    /// It answers another question.
    #[error("its time stamp has another nonce than was asked with")]
    OtherNonce,
}

fn sequence(parts: &[&[u8]]) -> Result<Vec<u8>, der::Error> {
    Any::new(Tag::Sequence, parts.concat())?.to_der()
}

/// The question (`TimeStampReq`) for these bytes, with the authority's certificate to come along.
pub(crate) fn question(imprint: Hash, nonce: u64) -> Result<Vec<u8>, der::Error> {
    let algorithm = sequence(&[&SHA_256.to_der()?, &Null.to_der()?])?;
    let imprint = sequence(&[&algorithm, &OctetStringRef::new(&imprint.0)?.to_der()?])?;
    sequence(&[&1u8.to_der()?, &imprint, &nonce.to_der()?, &true.to_der()?])
}

fn members<'a>(of: AnyRef<'a>) -> Result<Vec<AnyRef<'a>>, der::Error> {
    let mut reader = SliceReader::new(of.value())?;
    let mut members = Vec::new();
    while !reader.is_finished() {
        members.push(reader.decode()?);
    }
    Ok(members)
}

/// The member at a place, which has that tag.
fn member<'a>(
    members: &[AnyRef<'a>],
    place: usize,
    tag: Tag,
    what: &'static str,
) -> Result<AnyRef<'a>, NotStamped> {
    members.get(place).copied().filter(|found| found.tag() == tag).ok_or(NotStamped::Lacks(what))
}

/// What is in a member.
fn within<'a>(
    of: &[AnyRef<'a>],
    place: usize,
    tag: Tag,
    what: &'static str,
) -> Result<Vec<AnyRef<'a>>, NotStamped> {
    Ok(members(member(of, place, tag, what)?)?)
}

/// Reads the answer (`TimeStampResp`) to a question.
pub(crate) fn answered(answer: &[u8], imprint: Hash, nonce: u64) -> Result<Claimed, NotStamped> {
    let response = members(AnyRef::from_der(answer)?)?;
    let status = within(&response, 0, Tag::Sequence, "a status")?;
    match member(&status, 0, Tag::Integer, "a status")?.decode_as::<u8>()? {
        0 | 1 => {}
        number => return Err(NotStamped::Refused(number, words(&status))),
    }
    let token = within(&response, 1, Tag::Sequence, "a time stamp")?;
    let signed = within(&token, 1, EXPLICIT, "signed data")?;
    let signed = within(&signed, 0, Tag::Sequence, "signed data")?;
    let content = within(&signed, 2, Tag::Sequence, "what is signed")?;
    let kinds = [(&token, SIGNED_DATA), (&content, TST_INFO)];
    for (of, wanted) in kinds {
        let kind = member(of, 0, Tag::ObjectIdentifier, "what it is")?;
        if kind.decode_as::<ObjectIdentifier>()? != wanted {
            return Err(NotStamped::Lacks("a time stamp"));
        }
    }
    let info = within(&content, 1, EXPLICIT, "what is signed")?;
    let info = member(&info, 0, Tag::OctetString, "what is signed")?;
    let info = members(AnyRef::from_der(info.value())?)?;
    let about = within(&info, 2, Tag::Sequence, "a hash")?;
    let algorithm = within(&about, 0, Tag::Sequence, "a hash")?;
    let algorithm =
        member(&algorithm, 0, Tag::ObjectIdentifier, "a hash")?.decode_as::<ObjectIdentifier>()?;
    let hash = member(&about, 1, Tag::OctetString, "a hash")?;
    // As readers' programs will read it.
    let claimed = claimed(answer).map_err(|_| NotStamped::Lacks("a time"))?;
    if algorithm != SHA_256 || hash.value() != imprint.0 || claimed.imprint != imprint {
        return Err(NotStamped::OtherImprint);
    }
    // Behind the time, before it comes the accuracy, which is optional like the nonce itself.
    let said = info.iter().skip(5).find(|member| member.tag() == Tag::Integer);
    match said.map(|said| said.decode_as::<u64>()) {
        Some(Ok(said)) if said == nonce => Ok(claimed),
        _ => Err(NotStamped::OtherNonce),
    }
}

/// What an authority says of its refusal.
fn words(status: &[AnyRef<'_>]) -> String {
    let texts = status.iter().filter(|member| member.tag() == Tag::Sequence);
    let texts = texts.flat_map(|texts| members(*texts).unwrap_or_default());
    let texts: Vec<String> = texts
        .map(|text| String::from_utf8_lossy(text.value()).chars().filter(|c| !c.is_control()).collect())
        .collect();
    let words: String = texts.join(" ").chars().take(MOST_WORDS).collect();
    if words.is_empty() { words } else { format!(": {words}") }
}
