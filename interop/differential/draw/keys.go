package draw

import "fmt"

// AltNames is how many alt names data keys have in all.
const AltNames = 3

// AltName is the alt name of the data key of that number.
func AltName(n int) string { return fmt.Sprintf("data key %d of the differential test", n) }
