// Package migrate measures the migration of collections, and runs it on large ones that applications use meanwhile, on a server that finds documents
// by _id: the embedded one goes through the whole collection for each update.
//
// It holds tests only. The script ../run starts mongo-java-server for them; a server of your own is named by FIELDCRYPT_TEST_URI.
package migrate
