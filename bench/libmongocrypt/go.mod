module github.com/fieldcrypt/fieldcrypt/bench/libmongocrypt

go 1.25.0

replace github.com/fieldcrypt/fieldcrypt/bench/measure => ../measure

require (
	github.com/fieldcrypt/fieldcrypt/bench/measure v0.0.0-00010101000000-000000000000
	go.mongodb.org/mongo-driver/v2 v2.0.1
)

require (
	github.com/golang/snappy v0.0.4 // indirect
	github.com/klauspost/compress v1.16.7 // indirect
	golang.org/x/sync v0.10.0 // indirect
)
