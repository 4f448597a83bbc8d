package breakingproxy

import "time"

// Fault is what goes wrong. The zero value is nothing.
type Fault struct {
	Refuse    bool // nobody listens, and the open connections are reset
	Reset     bool // what a client sends is answered by a reset (RST)
	HalfClose bool // what a client sends is read and answered by the end of the stream (FIN)
	BlackHole bool // what a client sends, and what it is sent, is read and goes nowhere
	CutAfter  int  // if not 0, the connection ends when so many more bytes have come from the server

	Delay time.Duration // before each piece from the server; it ends early when the fault changes
	Rate  int           // if not 0, bytes per second from the server

	// Dial, if not nil, says where new connections lead. The open ones are reset, now and at the end of the fault.
	Dial Dial
	// Hit, if not nil, is called whenever a client's bytes meet the fault, before that does anything, by one goroutine for each connection. It
	// may wait, and may call Break; the bytes meet whatever fault there is when it returns.
	Hit func()
}
