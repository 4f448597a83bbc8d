package migrate

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// The server's error codes that say: not now. The names are MongoDB's.
var notNow = []int{
	6,     // HostUnreachable
	7,     // HostNotFound
	43,    // CursorNotFound
	89,    // NetworkTimeout
	91,    // ShutdownInProgress
	112,   // WriteConflict
	133,   // FailedToSatisfyReadPreference
	175,   // QueryPlanKilled
	189,   // PrimarySteppedDown
	237,   // CursorKilled
	262,   // ExceededTimeLimit
	9001,  // SocketException
	10107, // NotWritablePrimary
	11600, // InterruptedAtShutdown
	11602, // InterruptedDueToReplStateChange
	13435, // NotPrimaryNoSecondaryOk
	13436, // NotPrimaryOrSecondary
	13388, // StaleConfig
	16500, // TooManyRequests, of servers that sell throughput
}

// passing says whether an error may be gone in a moment. Time that is over is the client's, such as that to wait for a connection or a primary; when it
// is the caller's, the pause before the next try ends at once.
func passing(err error) bool {
	if mongo.IsNetworkError(err) || mongo.IsTimeout(err) {
		return true
	}
	var server mongo.ServerError
	if !errors.As(err, &server) {
		return false
	}
	return server.HasErrorLabel("RetryableWriteError") || server.HasErrorLabel("TransientTransactionError") || slices.ContainsFunc(notNow, server.HasErrorCode)
}

// pause waits before another try: 25 ms at first, twice as long each time, at most 5 s, and up to half of it less by chance.
func pause(ctx context.Context, tries int) error {
	d := min(25*time.Millisecond<<min(tries, 10), 5*time.Second)
	return sleep(ctx, d/2+rand.N(d/2))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
