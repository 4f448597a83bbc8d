// Package migrate tests the migration of collections on a server, with applications that read and write meanwhile.
package migrate
