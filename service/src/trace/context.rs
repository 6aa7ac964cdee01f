//! Where a trace comes from and where it goes: the headers `traceparent` and `tracestate`.
//! W3C Trace Context, level 1: <https://www.w3.org/TR/trace-context-1/>.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// `00-`, 32 digits of the trace, `-`, 16 of the span, `-`, 2 of the flags.
const TRACEPARENT_BYTES: usize = 55;
/// Later versions may add fields; not so many.
const TRACEPARENT_MAX_BYTES: usize = 256;
/// What every implementation passes on (3.3.1.5). More than that is left out whole.
const TRACESTATE_MAX_BYTES: usize = 512;
const SAMPLED: u8 = 1;

/// The span, in another process, under which a trace goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext(SpanContext);

impl TraceContext {
    /// What a request's headers say. None: nothing, or nothing that can be trusted to be what was meant; a broken
    /// `tracestate` alone is left out.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut found = headers.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (found.next(), found.next()) else { return None };
        let (trace_id, span_id, flags) = parse(parent.as_bytes())?;
        let context = SpanContext::new(trace_id, span_id, flags, true, state(headers).unwrap_or_default());
        context.is_valid().then_some(Self(context))
    }

    /// The one who sends it records its part.
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    pub fn trace_id(&self) -> TraceId {
        self.0.trace_id()
    }

    pub(super) fn as_span_context(&self) -> &SpanContext {
        &self.0
    }
}

/// Puts a span into the headers of a call that it makes.
pub(super) fn insert(headers: &mut HeaderMap, span: &SpanContext) {
    let flags = span.trace_flags().to_u8() & SAMPLED;
    let parent = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
    if let Ok(parent) = HeaderValue::try_from(parent) {
        headers.insert(TRACEPARENT, parent);
    }
    match HeaderValue::try_from(span.trace_state().header()) {
        Ok(state) if !state.is_empty() => headers.insert(TRACESTATE, state),
        _ => headers.remove(TRACESTATE),
    };
}

/// Trace, span and flags of a `traceparent` (3.2).
fn parse(text: &[u8]) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (known, rest) = text.split_at_checked(TRACEPARENT_BYTES)?;
    let [v0, v1, b'-', known @ ..] = known else { return None };
    let version = number(&[*v0, *v1])?;
    let is_later = version != 0;
    // Version 255 is none. One that is not known begins as this one does, and what it adds is set apart by a dash.
    let may_have_more = is_later && rest.starts_with(b"-") && text.len() <= TRACEPARENT_MAX_BYTES;
    if version == 0xff || !(rest.is_empty() || may_have_more) {
        return None;
    }
    let (trace, known) = known.split_at_checked(32)?;
    let (span, flags) = known.strip_prefix(b"-")?.split_at_checked(16)?;
    let flags = number(flags.strip_prefix(b"-")?)? as u8 & SAMPLED;
    let trace_id = TraceId::from_bytes(number(trace)?.to_be_bytes());
    let span_id = SpanId::from_bytes((number(span)? as u64).to_be_bytes());
    Some((trace_id, span_id, TraceFlags::new(flags)))
}

/// Up to 32 digits, in lower case alone.
fn number(digits: &[u8]) -> Option<u128> {
    let digit = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | u128::from(digit(byte)?)))
}

/// The list of all headers of that name, in their order (3.3).
fn state(headers: &HeaderMap) -> Option<TraceState> {
    let mut all = String::new();
    for header in headers.get_all(TRACESTATE) {
        let text = header.to_str().ok()?;
        if all.len() + text.len() > TRACESTATE_MAX_BYTES {
            return None;
        }
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(text);
    }
    all.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in [(TRACEPARENT, parents), (TRACESTATE, states)] {
            for value in values {
                headers.append(&name, HeaderValue::from_str(value).unwrap());
            }
        }
        headers
    }

    fn sent(context: &TraceContext) -> HeaderMap {
        let mut headers = HeaderMap::new();
        insert(&mut headers, &context.0);
        headers
    }

    #[test]
    fn what_was_taken_is_passed_on() {
        let taken = TraceContext::of(&headers(&[PARENT], &["rojo=1, congo=t61", "x@y=2"])).unwrap();
        assert!(taken.is_sampled());
        assert_eq!(sent(&taken), headers(&[PARENT], &["rojo=1,congo=t61,x@y=2"]));
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        let taken = TraceContext::of(&headers(&[unsampled], &[])).unwrap();
        assert!(!taken.is_sampled());
        assert_eq!(sent(&taken), headers(&[unsampled], &[]));
    }

    #[test]
    fn a_parent_that_is_not_exactly_one_is_none() {
        for parents in [
            &[][..],
            &[PARENT, PARENT],
            &[""],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra"],
            &["00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"],
            &["00-00000000000000000000000000000000-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"],
            &["00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x"],
            &["cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more"],
        ] {
            assert_eq!(TraceContext::of(&headers(parents, &["rojo=1"])), None, "{parents:?}");
        }
    }

    #[test]
    fn a_later_version_is_read_as_far_as_this_one_goes() {
        for parent in [
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-09",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-ever",
        ] {
            let taken = TraceContext::of(&headers(&[parent], &[])).unwrap();
            assert_eq!(sent(&taken), headers(&[PARENT], &[]), "{parent}");
        }
    }

    #[test]
    fn a_state_that_is_broken_or_long_is_left_out_and_the_parent_stays() {
        let long = format!("a={}", "x".repeat(TRACESTATE_MAX_BYTES));
        for states in [&["no-value"][..], &["UPPER=1"], &[long.as_str()], &["a=1", long.as_str()]] {
            let taken = TraceContext::of(&headers(&[PARENT], states)).unwrap();
            assert_eq!(sent(&taken), headers(&[PARENT], &[]), "{states:?}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_what_is_taken_is_well_formed(
            parent in "[0-9a-f]{0,2}-?[0-9a-fA-F]{30,33}-[0-9a-f]{15,17}-[0-9a-f]{1,3}.{0,4}",
            state in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut found = HeaderMap::new();
            for (name, value) in [(TRACEPARENT, parent.into_bytes()), (TRACESTATE, state)] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    found.insert(name, value);
                }
            }
            if let Some(taken) = TraceContext::of(&found) {
                prop_assert_eq!(TraceContext::of(&sent(&taken)), Some(taken));
            }
        }
    }
}
