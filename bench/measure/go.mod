module github.com/fieldcrypt/fieldcrypt/bench/measure

go 1.25.0
