package aws

// SpecKeyARN is the key that wraps the AWS data keys of the MongoDB driver specification "Client Side Encryption".
const SpecKeyARN = "arn:aws:kms:us-east-1:579766882180:key/89fcc2c4-08b0-4bd9-9f25-e30687b580d0"

// SpecDataKey is what the keyMaterial of that specification's AWS data keys unwraps to, in base64: it is public, as the reply in the Go driver's
// testdata/mongocrypt/kms-reply.txt. Give the server the pair in Options.Wrapped; the keyMaterial is in the specification's tests.
const SpecDataKey = "TqhXy3tKckECjy4/ZNykMWG8amBF46isVPzeOgeusKrwheBmYaU8TMG5AHR/NeUDKukqo8hBGgogiQOVpLPkqBQHD8YkLsNbDmHoGOill5QAHnniF/Lz405bGucB5TfR"
