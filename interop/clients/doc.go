// Package clients runs programs that users of other languages would write, with those languages' drivers, against what fieldcrypt gives them:
// the query analysis daemon and the shared library. Each folder is one client, with its program and the script that installs its packages.
//
// It holds tests only. The script ../run installs the clients, starts what the tests need and runs them; without it they say what they lack, and skip.
package clients
