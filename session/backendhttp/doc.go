// Package backendhttp is what backends of services on HTTP have in common: which error is of which kind, and what of a
// service's words may be repeated.
//
//	res, err := client.Do(req)
//	if err != nil {
//		return nil, backendhttp.TransportError(ctx, "acme", err)
//	}
//	defer res.Body.Close()
//	if res.StatusCode != http.StatusOK {
//		return nil, backendhttp.StatusError("acme", res, backendhttp.Clean(message, g, key))
//	}
package backendhttp
