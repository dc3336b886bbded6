//! Close codes and what they mean (RFC 6455 section 7.4, and IANA's registry of close codes).

/// The name of a code, where it has one.
pub fn name(code: u16) -> Option<&'static str> {
    Some(match code {
        1000 => "Normal Closure",
        1001 => "Going Away",
        1002 => "Protocol Error",
        1003 => "Unsupported Data",
        1005 => "No Status Received",
        1006 => "Abnormal Closure",
        1007 => "Invalid Payload Data",
        1008 => "Policy Violation",
        1009 => "Message Too Big",
        1010 => "Mandatory Extension",
        1011 => "Internal Error",
        1012 => "Service Restart",
        1013 => "Try Again Later",
        1014 => "Bad Gateway",
        1015 => "TLS Handshake",
        3000 => "Unauthorized",
        3003 => "Forbidden",
        3008 => "Timeout",
        _ => return None,
    })
}

/// Returns the owner of a code without a name (section 7.4.2).
pub fn range(code: u16) -> &'static str {
    match code {
        ..1000 => "not used",
        1000..3000 => "reserved for the protocol",
        3000..4000 => "registered by libraries and frameworks",
        4000..5000 => "private use",
        _ => "outside of all ranges",
    }
}

/// Whether a close frame may carry the code: 1004 is reserved, 1005, 1006 and 1015 are for the inside of an endpoint
/// (section 7.4.1), and what lies outside of 1000 to 4999 is no code; the others of the protocol's range are not given out.
pub fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The code and the reason of a close frame's payload; `None` where there is no code.
pub fn parse(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (code, reason) = payload.split_first_chunk()?;
    Some((u16::from_be_bytes(*code), reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_for_the_inside_of_an_endpoint_have_names_and_may_not_be_sent() {
        for code in [1005, 1006, 1015] {
            assert!(name(code).is_some() && !may_be_sent(code), "{code}");
        }
        for code in [0, 999, 1004, 1016, 2999, 5000, 65_535] {
            assert!(name(code).is_none() && !may_be_sent(code), "{code}");
        }
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            assert!(may_be_sent(code), "{code}");
        }
    }

    #[test]
    fn a_close_frame_has_a_code_or_nothing() {
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[3]), None);
        assert_eq!(parse(&[3, 0xe9, b'b', b'y', b'e']), Some((1001, &b"bye"[..])));
    }
}
