// Command registry serves an OCI registry from memory, with or without the referrers API, plain or with TLS and a password.
// It prints the address on which it listens.
package main

import (
	"crypto/subtle"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:5000", "address to listen on; port 0 takes a free one")
	referrers := flag.Bool("referrers", true, "serve the OCI 1.1 referrers API")
	cert := flag.String("cert", "", "certificate file; with it and -key the registry serves TLS")
	key := flag.String("key", "", "private key file")
	user := flag.String("user", "", "user name; with it and -password the registry asks for basic authentication")
	password := flag.String("password", "", "password")
	verbose := flag.Bool("v", false, "log each request")
	flag.Parse()

	options := []registry.Option{registry.WithReferrersSupport(*referrers)}
	if !*verbose {
		options = append(options, registry.Logger(log.New(discard{}, "", 0)))
	}
	handler := http.Handler(registry.New(options...))
	if *user != "" {
		handler = authenticated(handler, *user, *password)
	}
	log.SetOutput(os.Stderr)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr())
	if *cert != "" {
		log.Fatal(http.ServeTLS(listener, handler, *cert, *key))
	}
	log.Fatal(http.Serve(listener, handler))
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func authenticated(next http.Handler, user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, p, ok := r.BasicAuth()
		if !ok || subtle.ConstantTimeCompare([]byte(u), []byte(user)) != 1 || subtle.ConstantTimeCompare([]byte(p), []byte(password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="test registry"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
