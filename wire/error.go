package wire

import "fmt"

// Error is a message that is not what the protocol says. After it the stream is out of step: all that can be done is to close the
// connection. It holds lengths and numbers, nothing that the message carries.
type Error struct {
	OpCode OpCode // 0 when not even the header was whole
	Reason string
}

func (e *Error) Error() string {
	if e.OpCode == 0 {
		return "malformed message: " + e.Reason
	}
	return "malformed " + e.OpCode.String() + ": " + e.Reason
}

func malformed(code OpCode, format string, args ...any) error {
	return &Error{code, fmt.Sprintf(format, args...)}
}
