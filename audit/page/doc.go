// Package page makes an HTML page of an audit report, to be handed to somebody who was not there.
//
// The page is one file without scripts that loads nothing: its charts are SVG in it, and its content security policy forbids everything but
// its own style sheet. Names from the database are escaped wherever they stand. It can be printed.
package page
