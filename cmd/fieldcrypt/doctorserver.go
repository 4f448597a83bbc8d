package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// hello is what a server says of itself, and when.
type hello struct {
	Msg            string
	SetName        string
	MaxWireVersion int32
	LocalTime      time.Time
	asked, told    time.Time
}

// connection asks for a greeting.
func (p *patient) connection(ctx context.Context) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := p.client.Ping(ctx, nil); err != nil { // the first answer may take long: it is not one to compare clocks with
		return unable("connecting to "+p.hosts(), err, "is the server running, is its address right, and may it be reached from here?")
	}
	err := p.greet(ctx, "hello")
	if refused := (mongo.CommandError{}); errors.As(err, &refused) {
		err = p.greet(ctx, "isMaster") // what servers before hello know
	}
	if err != nil {
		return unable("asking "+p.hosts()+" for a greeting", err, "is it a server of MongoDB's protocol?")
	}
	return one(passed, "", "%s answers", p.hosts())
}

func (p *patient) greet(ctx context.Context, words string) error {
	p.hello = hello{asked: time.Now()}
	err := p.client.Database("admin").RunCommand(ctx, bson.D{{Key: words, Value: 1}}).Decode(&p.hello)
	p.hello.told = time.Now()
	return err
}

func (p *patient) tls(context.Context) []diagnosis {
	config := options.Client().ApplyURI(p.uri).TLSConfig
	switch {
	case config != nil && config.InsecureSkipVerify:
		return one(failed, "take tlsInsecure and tlsAllowInvalidCertificates out of the connection string; name the authority with tlsCAFile",
			"the connection is encrypted, but the server's certificate is not checked: anybody may be at the other end")
	case config != nil:
		return append(one(passed, "", "the connection is encrypted, and the server's certificate is checked"), p.shown.ending(theServer, time.Now())...)
	case loopback(p.hosts()):
		return one(passed, "", "none, on this machine only")
	}
	return one(failed, "add tls=true to the connection string", "the connection is not encrypted: whoever sees the network sees everything but the encrypted fields")
}

// loopback says whether all hosts are this machine, as far as their names tell.
func loopback(hosts string) bool {
	for host := range strings.SplitSeq(hosts, ",") {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if ip := net.ParseIP(host); host != "localhost" && !strings.HasPrefix(host, "/") && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// clock compares the clocks. The server's answer was made between question and receipt.
func (p *patient) clock(context.Context) []diagnosis {
	const much, little = 60 * time.Second, 5 * time.Second // AWS tolerates 5 minutes, tokens of other KMSs less
	if p.hello.LocalTime.IsZero() {
		return one(skipped, "", "the server does not tell its time")
	}
	var off time.Duration
	switch at := p.hello.LocalTime; {
	case at.Before(p.hello.asked):
		off = p.hello.asked.Sub(at)
	case at.After(p.hello.told):
		off = at.Sub(p.hello.told)
	}
	text := fmt.Sprintf("%s apart from the server's", off.Round(time.Millisecond))
	const advice = "synchronise this machine's clock and the server's (NTP)"
	switch {
	case off >= much:
		return one(failed, advice, "%s", text)
	case off >= little:
		return one(noted, advice, "%s", text)
	}
	return one(passed, "", "%s", text)
}
