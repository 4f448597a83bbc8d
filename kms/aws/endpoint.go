package aws

import (
	"context"
	"regexp"
	"strings"

	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
)

// regionName is the form of the names of AWS's regions, in any partition. Other labels before AWS's domains are others': kms.s3.amazonaws.com is a bucket.
var regionName = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+$`)

// isAWS knows the public endpoints of the service, which are those of the SDK's rules for the region in the host's name, and VPC endpoints. Being in a
// domain of AWS's is not enough: anybody can have a host such as ….execute-api.us-east-1.amazonaws.com that answers what they like.
func isAWS(host, _ string) bool {
	vpce, public := cutVPCE(host)
	labels := strings.SplitN(public, ".", 3)
	if len(labels) < 3 || !regionName.MatchString(labels[1]) {
		return false
	}
	for _, fips := range []bool{false, true} {
		for _, dualStack := range []bool{false, !vpce} {
			if public == publicEndpoint(labels[1], fips, dualStack) {
				return true
			}
		}
	}
	return false
}

// cutVPCE makes the region's public endpoint of vpce-….kms.REGION.vpce.DOMAIN.
func cutVPCE(host string) (isVPCE bool, public string) {
	id, rest, _ := strings.Cut(host, ".")
	before, domain, found := strings.Cut(rest, ".vpce.")
	if !found || !strings.HasPrefix(id, "vpce-") {
		return false, host
	}
	return true, before + "." + domain
}

// publicEndpoint asks the SDK, which knows the domains of AWS's partitions.
func publicEndpoint(region string, fips, dualStack bool) string {
	found, err := awskms.NewDefaultEndpointResolverV2().ResolveEndpoint(context.Background(), awskms.EndpointParameters{
		Region: &region, UseFIPS: &fips, UseDualStack: &dualStack,
	})
	if err != nil {
		return ""
	}
	return found.URI.Hostname()
}
