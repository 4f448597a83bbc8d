package shim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// validation are the options of create and collMod that the proxy keeps to itself.
var validation = []string{"validator", "validationLevel", "validationAction"}

// intercept returns the reply of the rules, or nil if the server is to answer.
func (p *Proxy) intercept(ctx context.Context, cmd Command) (reply bson.D, err error) {
	if p.rules.Intercept != nil {
		if reply, err = p.rules.Intercept(ctx, cmd); err != nil {
			return nil, err
		}
	}
	if reply == nil && cmd.Name == "collMod" && p.learn(cmd) {
		reply = bson.D{}
	}
	if reply != nil && get(reply, "ok") == nil {
		reply = append(slices.Clone(reply), bson.E{Key: "ok", Value: 1.0})
	}
	return reply, nil
}

// before changes a request on its way to the server.
func (p *Proxy) before(cmd Command, request message) (message, error) {
	if cmd.Name != "create" {
		return request, nil
	}
	var doc bson.D
	if err := bson.Unmarshal(cmd.Body, &doc); err != nil {
		return request, errors.New("the command is not valid BSON")
	}
	return request.with(slices.DeleteFunc(doc, func(e bson.E) bool { return slices.Contains(validation, e.Key) }))
}

// after changes a reply on its way to the client, and learns from it.
func (p *Proxy) after(cmd Command, reply message) (message, error) {
	var doc bson.D
	switch cmd.Name {
	case "hello", "isMaster", "ismaster", "listCollections", "create", "drop", "dropDatabase":
		if err := bson.Unmarshal(reply.body(), &doc); err != nil {
			return reply, errors.New("the reply is not valid BSON")
		}
	}
	succeeded := get(doc, "ok") == 1.0
	switch cmd.Name {
	case "hello", "isMaster", "ismaster":
		doc = slices.DeleteFunc(set(doc, p.rules.Hello...), func(e bson.E) bool { return e.Key == "compression" })
		return reply.with(doc)
	case "listCollections":
		p.show(cmd.DB, doc)
		return reply.with(doc)
	case "create":
		if succeeded {
			p.learn(cmd)
		}
	case "drop", "dropDatabase":
		if succeeded {
			p.forget(cmd)
		}
	}
	return reply, nil
}

// show puts what the proxy knows into a listCollections reply.
func (p *Proxy) show(db string, reply bson.D) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cursor, _ := get(reply, "cursor").(bson.D)
	batch, _ := get(cursor, "firstBatch").(bson.A)
	for i := range batch {
		entry, _ := batch[i].(bson.D)
		name, _ := get(entry, "name").(string)
		c := p.collections[db+"."+name]
		if c.Type != "" {
			entry = set(entry, bson.E{Key: "type", Value: c.Type})
		}
		if options, ok := get(entry, "options").(bson.D); ok { // not with nameOnly
			entry = set(entry, bson.E{Key: "options", Value: set(options, c.Options...)})
		}
		batch[i] = entry
	}
}

// learn keeps the validation options of a create or collMod command; false if it has none.
func (p *Proxy) learn(cmd Command) (learned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.collections[cmd.namespace()]
	for _, name := range validation {
		if v, err := cmd.Body.LookupErr(name); err == nil {
			c.Options = set(c.Options, bson.E{Key: name, Value: v})
			learned = true
		}
	}
	if learned {
		p.collections[cmd.namespace()] = c
	}
	return learned
}

func (p *Proxy) forget(dropped Command) {
	p.mu.Lock()
	defer p.mu.Unlock()
	maps.DeleteFunc(p.collections, func(namespace string, _ Collection) bool {
		return namespace == dropped.namespace() || dropped.Name == "dropDatabase" && strings.HasPrefix(namespace, dropped.DB+".")
	})
}

// get returns the value of a field, nil if d has none.
func get(d bson.D, key string) any {
	if i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == key }); i >= 0 {
		return d[i].Value
	}
	return nil
}

// set puts fields into d, in place of those of the same name or at the end.
func set(d bson.D, fields ...bson.E) bson.D {
	for _, field := range fields {
		if i := slices.IndexFunc(d, func(e bson.E) bool { return e.Key == field.Key }); i >= 0 {
			d[i] = field
		} else {
			d = append(d, field)
		}
	}
	return d
}
