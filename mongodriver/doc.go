// Package mongodriver plugs automatic field encryption into the official MongoDB Go driver. It needs neither cgo nor a build tag, and
// the driver is not changed: everything its API does goes on working.
//
//	client, err := mongodriver.Connect(options.Client().ApplyURI(uri), fieldcrypt.AutoEncryptionOptions{…})
//
// [Connect] stands for mongo.Connect; [SetAutoEncryption] prepares options for a mongo.Connect of your own.
//
// # Which clients there are
//
// A look-up (data keys, collection validators) happens while a command holds a connection, so on a client with a bounded pool it
// must not need a second one. Look-ups go, as in MongoDB's driver specification "Client Side Encryption":
//
//   - data keys to KeyVaultClient, if there is one;
//   - else through the encrypted client itself if its pool is explicitly unlimited (maxPoolSize=0) and Connect made it;
//   - else through one internal client with the same options, made at the first look-up and disconnected with the encrypted client.
//
// # What the driver's observers see
//
// Command monitors and the driver's logger see commands after encryption, but replies after decryption: CommandSucceededEvent and the
// driver's debug log carry plaintext. Do not log replies of an encrypted client.
//
// # Limits
//
// The driver splits batches of writes so that the documents of one command stay below 2 MiB before encryption.
// mongo.Client.BulkWrite, which the driver refuses with its own automatic encryption, works: each operation is judged by the schema of its
// collection. Transactions, sessions and retries work as without encryption.
//
// This package is the only one that touches the driver's packages below x/, which promise no compatibility; the driver version in go.mod is
// the one tested.
package mongodriver
