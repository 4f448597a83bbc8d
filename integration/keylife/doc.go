// Package keylife tests the life of a data key on a MongoDB-compatible server: the prose tests of the driver specification "Client Side
// Encryption" about data keys that need no cloud, the health of a key vault, and the story of a person whose key is shredded.
package keylife
