// Package wire reads and writes the messages of the MongoDB wire protocol: OP_MSG, the legacy OP_QUERY and OP_REPLY that a connection may
// begin with, and OP_COMPRESSED around any of them.
//
// It has no policy: it knows neither commands nor connections. Every function takes the buffers of its caller, what it decodes points
// into them, and nothing is kept. Lengths are checked before they are used, so that hostile bytes give an [*Error], never a panic or an
// allocation that they chose. Documents are measured here (length and final zero), not read: that is for whoever needs what is in them.
//
// The source of the rules is the MongoDB manual, "MongoDB Wire Protocol", and the public OP_MSG and OP_COMPRESSED specifications of the
// drivers.
//
// It is not for programs that want to talk to a database: they use a driver.
package wire
