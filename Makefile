# make dist: what a release consists of, in dist/. Needs Go, and a C compiler for the shared library.
# The same sources and the same Go version give the same binaries.

platforms := linux-amd64 linux-arm64 darwin-amd64 darwin-arm64 windows-amd64.exe windows-arm64.exe
binaries  := $(platforms:%=dist/fieldcrypt-%)
os        := $(shell go env GOOS)
library   := dist/mongo_crypt_v1-$(os)-$(shell go env GOARCH).$(or $(if $(filter windows,$(os)),dll),$(if $(filter darwin,$(os)),dylib),so)
boms      := $(binaries:=.cdx.json) $(library).cdx.json

# as users of the module build it, who have no go.work
export GOWORK := off
build := go build -trimpath -ldflags='-s -w'
sbom  := go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -noserial

.PHONY: dist clean $(binaries) $(library)
dist: dist/SHA256SUMS

$(binaries): dist/fieldcrypt-%:
	CGO_ENABLED=0 GOOS=$(firstword $(subst -, ,$*)) GOARCH=$(basename $(lastword $(subst -, ,$*))) $(build) -o $@ ./cmd/fieldcrypt

$(library): # with our header in the place of the one that Go generates
	CGO_ENABLED=1 $(build) -buildmode=c-shared -o $@ ./cmd/mongo_crypt_v1
	rm $(basename $@).h
	cp cmd/mongo_crypt_v1/abi.h dist/mongo_crypt_v1.h

$(boms): %.cdx.json: %
	$(sbom) -output $@ $<

dist/SHA256SUMS: $(boms)
	cd dist && sha256sum mongo_crypt_v1.h $(notdir $(sort $(binaries) $(library) $(boms))) > SHA256SUMS

clean:
	rm -rf dist
