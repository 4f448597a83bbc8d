// Package cli tests the commands of fieldcrypt that need a server, as a person or a script runs them: the built program, a
// MongoDB-compatible server, and KMSs.
package cli
