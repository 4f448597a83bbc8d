package schema

import (
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A Cache keeps at most cacheEntries schemas, none with a document longer than cacheDocument bytes, and at most cacheWeight in all. A compiled
// schema takes about ten times its weight at most.
const (
	cacheEntries  = 256
	cacheDocument = 256 << 10
	cacheWeight   = 8 << 20
)

// Cache remembers compiled schemas by their documents, for whoever is given the same document again and again: with each command, or
// each time a collection is looked up. Long documents are compiled anew each time. The zero value is ready for use; it is safe for
// concurrent use.
type Cache struct {
	mu      sync.RWMutex
	schemas [2]map[string]*Schema // by origin
	weight  int                   // of all
}

// Parse is the function [Parse] with a memory. It keeps a copy of doc.
func (c *Cache) Parse(doc bson.Raw, origin Origin) (*Schema, error) {
	if len(doc) > cacheDocument || origin != Local && origin != Remote {
		return Parse(doc, origin)
	}
	c.mu.RLock()
	s, known := c.schemas[origin][string(doc)]
	c.mu.RUnlock()
	if known {
		return s, nil
	}
	s, err := Parse(doc, origin)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first, known := c.schemas[origin][string(doc)]; known { // compiled by another at the same time
		return first, nil
	}
	if len(c.schemas[Local])+len(c.schemas[Remote]) >= cacheEntries || c.weight+s.weight > cacheWeight {
		c.schemas, c.weight = [2]map[string]*Schema{}, 0 // simple, and rare: few programs see so many schemas
	}
	if c.schemas[origin] == nil {
		c.schemas[origin] = map[string]*Schema{}
	}
	c.schemas[origin][string(doc)] = s
	c.weight += s.weight
	return s, nil
}
