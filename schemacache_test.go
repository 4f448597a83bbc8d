package fieldcrypt

import (
	"fmt"
	"testing"
	"time"
)

func TestSchemaCacheExpires(t *testing.T) {
	now := time.Unix(0, 0)
	c := newSchemaCache()
	c.now = func() time.Time { return now }
	c.put("db.c", schemaSet{})
	now = now.Add(60*time.Second - 1)
	if _, ok := c.get("db.c"); !ok {
		t.Error("gone before 60 s")
	}
	now = now.Add(1)
	if _, ok := c.get("db.c"); ok {
		t.Error("still there after 60 s")
	}
}

func TestSchemaCacheIsBounded(t *testing.T) {
	now := time.Unix(0, 0)
	c := newSchemaCache()
	c.now, c.size = func() time.Time { return now }, 10
	for i := range 5 {
		c.put(fmt.Sprint("old.", i), schemaSet{})
	}
	now = now.Add(schemaExpiration)
	for i := range 10 {
		c.put(fmt.Sprint("db.", i), schemaSet{})
	}
	for i := range 10 {
		if _, ok := c.get(fmt.Sprint("db.", i)); !ok {
			t.Errorf("db.%d made room although there were expired ones", i)
		}
	}
	for i := range 100 {
		c.put(fmt.Sprint("more.", i), schemaSet{})
		entries := 0
		c.entries.Range(func(any, any) bool { entries++; return true })
		if entries > 10 || entries != c.count {
			t.Fatalf("%d entries, counted as %d, want at most 10", entries, c.count)
		}
		if _, ok := c.get(fmt.Sprint("more.", i)); !ok {
			t.Error("the newest is gone")
		}
	}
}
