// Package bsonraw reads and rewrites raw BSON without decoding it: it walks elements in place, appends to buffers that the
// caller gives, and swaps the binary values of subtype 6 (in-use encryption) for others.
//
// Every length is checked before it is used, so hostile bytes give an error, never a panic or an allocation they chose.
// It is for the hot paths of this module; everything else reads better with the driver's bson package.
package bsonraw
