//! Errors of a packet: one variant per rule, each with a name that is stable on the wire.

/// Defines the rules: each with its documentation, its name on the wire, and its message.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident, $name:literal, $message:literal;)+) => {
        /// A rule that a packet breaks; its name is sent back as the close reason.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum DecodeError {
            $($(#[$doc])* #[error($message)] $rule,)+
        }

        impl DecodeError {
            /// Returns the rule's name on the wire, in the vectors and in logs.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)+
                }
            }
        }
    };
}

rules! {
    /// The packet ends inside a field.
    Truncated, "truncated", "the packet ends inside a field";
    /// A length-prefixed body is longer than its fields.
    TrailingBytes, "trailingBytes", "a body is longer than its fields";
    /// A packet without any message.
    EmptyPacket, "emptyPacket", "the packet holds no message";
    /// A number above 2^53 - 1.
    NumberTooLarge, "numberTooLarge", "a number is above 2^53 - 1";
    /// A client sequence number of 0: they begin at 1.
    NumberTooSmall, "numberTooSmall", "a number is below 1";
    /// A number written in more bytes than it needs.
    NumberNotMinimal, "numberNotMinimal", "a number is written in more bytes than it needs";
    /// A step written as a number though it fits its half byte, or a half byte that should be zero and is not.
    StepNotMinimal, "stepNotMinimal", "a step is not written in its shortest form";
    /// A text that is not UTF-8.
    InvalidUtf8, "invalidUtf8", "a text is not UTF-8";
    /// A text, name or reason above its limit.
    TextTooLong, "textTooLong", "a text is longer than its limit";
    /// A list above its limit.
    TooMany, "tooMany", "a list is longer than its limit";
    /// A list that must not be empty and is.
    Empty, "empty", "a list is empty that must not be";
    /// A coordinate or step beyond the limit.
    CoordinateOutOfRange, "coordinateOutOfRange", "a coordinate is out of range";
    /// A width or size that is zero or beyond the limit.
    WidthOutOfRange, "widthOutOfRange", "a width or size is out of range";
    /// A scale exponent beyond the limits.
    ScaleOutOfRange, "scaleOutOfRange", "a scale is out of range";
    /// A pressure, or step of pressure, beyond 255.
    PressureOutOfRange, "pressureOutOfRange", "a pressure is out of range";
    /// An entry of a matrix beyond its limit.
    MatrixOutOfRange, "matrixOutOfRange", "a matrix is out of range";
    /// A picture, or a part of one, beyond its limit.
    ImageTooLarge, "imageTooLarge", "a picture is larger than its limit";
    /// A slot that does not exist.
    SlotOutOfRange, "slotOutOfRange", "a slot is out of range";
    /// A number that names no tool, shape, property, reason or change.
    UnknownValue, "unknownValue", "an enumeration has no such value";
    /// A flag byte that is neither 0 nor 1.
    InvalidFlag, "invalidFlag", "a flag is neither 0 nor 1";
    /// JSON that the binary form cannot say: fewer pressures than steps, or a known tag sent as `unknown`.
    NotRepresentable, "notRepresentable", "the JSON says what the binary form cannot";
    /// Text that is not the JSON of a packet.
    MalformedJson, "malformedJson", "the text is not the JSON of a packet";
}
