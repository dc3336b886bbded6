//! Errors of a packet: one variant per rule, each with a name that is stable on the wire.

/// A packet that is not one; the name of the rule is sent back as the close reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The packet ends inside a field.
    #[error("the packet ends inside a field")]
    Truncated,
    /// A length-prefixed body is longer than its fields.
    #[error("a body is longer than its fields")]
    TrailingBytes,
    /// A packet without any message.
    #[error("the packet holds no message")]
    EmptyPacket,
    /// A number above 2^53 - 1.
    #[error("a number is above 2^53 - 1")]
    NumberTooLarge,
    /// A client sequence number of 0: they begin at 1.
    #[error("a number is below 1")]
    NumberTooSmall,
    /// A number written in more bytes than it needs.
    #[error("a number is written in more bytes than it needs")]
    NumberNotMinimal,
    /// A step written as a number though it fits its half byte, or a half byte that should be zero and is not.
    #[error("a step is not written in its shortest form")]
    StepNotMinimal,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    InvalidUtf8,
    /// A text, name or reason above its limit.
    #[error("a text is longer than its limit")]
    TextTooLong,
    /// A list above its limit.
    #[error("a list is longer than its limit")]
    TooMany,
    /// A list that must not be empty and is.
    #[error("a list is empty that must not be")]
    Empty,
    /// A coordinate or step beyond the limit.
    #[error("a coordinate is out of range")]
    CoordinateOutOfRange,
    /// A width or size that is zero or beyond the limit.
    #[error("a width or size is out of range")]
    WidthOutOfRange,
    /// A scale exponent beyond the limits.
    #[error("a scale is out of range")]
    ScaleOutOfRange,
    /// A pressure, or step of pressure, beyond 255.
    #[error("a pressure is out of range")]
    PressureOutOfRange,
    /// An entry of a matrix beyond its limit.
    #[error("a matrix is out of range")]
    MatrixOutOfRange,
    /// A picture, or a part of one, beyond its limit.
    #[error("a picture is larger than its limit")]
    ImageTooLarge,
    /// A slot that does not exist.
    #[error("a slot is out of range")]
    SlotOutOfRange,
    /// A number that names no tool, shape, property, reason or change.
    #[error("an enumeration has no such value")]
    UnknownValue,
    /// A flag byte that is neither 0 nor 1.
    #[error("a flag is neither 0 nor 1")]
    InvalidFlag,
    /// JSON that the binary form cannot say: fewer pressures than steps, or a known tag sent as `unknown`.
    #[error("the JSON says what the binary form cannot")]
    NotRepresentable,
    /// Text that is not the JSON of a packet.
    #[error("the text is not the JSON of a packet")]
    MalformedJson,
}

impl DecodeError {
    /// The rule's name on the wire, in the vectors and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailingBytes",
            Self::EmptyPacket => "emptyPacket",
            Self::NumberTooLarge => "numberTooLarge",
            Self::NumberTooSmall => "numberTooSmall",
            Self::NumberNotMinimal => "numberNotMinimal",
            Self::StepNotMinimal => "stepNotMinimal",
            Self::InvalidUtf8 => "invalidUtf8",
            Self::TextTooLong => "textTooLong",
            Self::TooMany => "tooMany",
            Self::Empty => "empty",
            Self::CoordinateOutOfRange => "coordinateOutOfRange",
            Self::WidthOutOfRange => "widthOutOfRange",
            Self::ScaleOutOfRange => "scaleOutOfRange",
            Self::PressureOutOfRange => "pressureOutOfRange",
            Self::MatrixOutOfRange => "matrixOutOfRange",
            Self::ImageTooLarge => "imageTooLarge",
            Self::SlotOutOfRange => "slotOutOfRange",
            Self::UnknownValue => "unknownValue",
            Self::InvalidFlag => "invalidFlag",
            Self::NotRepresentable => "notRepresentable",
            Self::MalformedJson => "malformedJson",
        }
    }
}
