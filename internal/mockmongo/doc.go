// Package mockmongo is a small MongoDB-like server for tests of what no server at hand can show: collections with validators that are enforced, or kept and not
// enforced, or refused because the server does not know the keyword encrypt; transactions that are aborted. It knows the commands that such tests send and
// evaluates as much of $jsonSchema as they need. It holds everything in memory and does not check what it is not asked about.
package mockmongo
