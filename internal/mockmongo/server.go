package mockmongo

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options say what kind of server it is. The zero value keeps validators without enforcing them.
type Options struct {
	Enforce      bool // documents that do not fit a validator are refused
	NoEncrypt    bool // validators with the keyword encrypt are refused
	Forget       bool // validators are taken and forgotten
	Transactions bool // says that it has them
	KeepAborted  bool // but keeps what was written in one
	// Intercept answers commands in place of the server; nil where it does not.
	Intercept func(cmd bson.Raw) bson.D
	// Greeting does so for hello and isMaster, which Intercept does not see.
	Greeting func(cmd bson.Raw) bson.D
}

// Server is a running server.
type Server struct {
	opts     Options
	listener net.Listener
	running  sync.WaitGroup

	mu          sync.Mutex
	conns       map[net.Conn]bool
	collections map[string]*collection // by namespace
	pending     map[string][]write     // of open transactions, by session
	commands    []string
}

type collection struct {
	options   bson.D
	documents []bson.Raw
	indexes   []bson.Raw
}

// write is an insert that can be taken back.
type write struct {
	namespace string
	id        bson.RawValue
}

// Run starts a server on a free loopback port.
func Run(opts Options) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, listener: listener, conns: map[net.Conn]bool{}, collections: map[string]*collection{}, pending: map[string][]write{}}
	s.running.Go(s.accept)
	return s, nil
}

// URI is the connection string.
func (s *Server) URI() string {
	return "mongodb://" + s.listener.Addr().String() + "/?directConnection=true"
}

// Close stops the server.
func (s *Server) Close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Collections are the namespaces of all collections, and how many documents each has.
func (s *Server) Collections() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for ns, c := range s.collections {
		all[ns] = len(c.documents)
	}
	return all
}

// Commands are the names of the commands received, in order, without those that drivers send on their own.
func (s *Server) Commands() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

// Put makes a collection with options such as validator, and indexes.
func (s *Server) Put(namespace string, options bson.D, indexes ...bson.Raw) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collections[namespace] = &collection{options: options, indexes: indexes}
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.running.Go(func() {
			_ = s.serve(conn)
			_ = conn.Close()
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		})
	}
}

func (s *Server) serve(conn net.Conn) error {
	const opReply, opQuery, opMsg = 1, 2004, 2013
	for {
		var head [16]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return err
		}
		size := binary.LittleEndian.Uint32(head[:])
		if size < 16 || size > 48<<20 {
			return errors.New("bad length")
		}
		body := make([]byte, size-16)
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		code, prefix, reply := uint32(opMsg), make([]byte, 5), bson.D(nil) // flags and the kind of the one section
		switch binary.LittleEndian.Uint32(head[12:]) {
		case opQuery: // the first hello
			code, prefix, reply = opReply, make([]byte, 20), s.hello()
			prefix[16] = 1 // number returned
		case opMsg:
			cmd, err := parseMessage(body)
			if err != nil {
				return err
			}
			reply = s.answer(cmd)
		default:
			return errors.New("unknown message")
		}
		out, err := bson.Marshal(reply)
		if err != nil {
			return err
		}
		message := make([]byte, 16, 16+len(prefix)+len(out))
		binary.LittleEndian.PutUint32(message, uint32(cap(message)))
		copy(message[8:], head[4:8]) // responseTo
		binary.LittleEndian.PutUint32(message[12:], code)
		if _, err := conn.Write(append(append(message, prefix...), out...)); err != nil {
			return err
		}
	}
}

// parseMessage joins the body of an OP_MSG and its document sequences to one document.
func parseMessage(body []byte) (bson.Raw, error) {
	var cmd bson.D
	for sections := body[4:]; len(sections) > 5; {
		kind, n := sections[0], binary.LittleEndian.Uint32(sections[1:])
		if int(n) > len(sections)-1 {
			return nil, errors.New("bad section")
		}
		section := sections[1 : 1+n]
		sections = sections[1+n:]
		if kind == 0 {
			var doc bson.D
			if err := bson.Unmarshal(section, &doc); err != nil {
				return nil, err
			}
			cmd = append(doc, cmd...)
			continue
		}
		rest := section[4:]
		end := 0
		for rest[end] != 0 {
			end++
		}
		name := string(rest[:end])
		var docs bson.A
		for rest = rest[end+1:]; len(rest) > 0; {
			n := binary.LittleEndian.Uint32(rest)
			docs = append(docs, bson.Raw(rest[:n]))
			rest = rest[n:]
		}
		cmd = append(cmd, bson.E{Key: name, Value: docs})
	}
	return bson.Marshal(cmd)
}
