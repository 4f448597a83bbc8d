package aggmodel

import (
	"math"
	"math/big"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// widest is the type of a result: double if one number is, else int64 if one is, else int32.
func widest(numbers []any) any {
	for _, v := range []any{float64(0), int64(0)} {
		if slices.ContainsFunc(numbers, func(n any) bool { return typeName(n) == typeName(v) }) {
			return v
		}
	}
	return int32(0)
}

// fit gives a whole result the type of its arguments, or the next wider one that holds it.
func fit(n *big.Int, like any) any {
	if !n.IsInt64() {
		f, _ := new(big.Float).SetInt(n).Float64()
		return f
	}
	i := n.Int64()
	if typeName(like) == "int" && int64(int32(i)) == i {
		return int32(i)
	}
	return i
}

func double(v any) float64 {
	switch v := v.(type) {
	case int32:
		return float64(v)
	case int64:
		return float64(v)
	}
	return v.(float64)
}

// total adds numbers exactly and rounds once, as compensated summation does but for the rarest of cases.
func total(numbers []any) any {
	like := widest(numbers)
	exactly := new(big.Rat)
	var special float64 // collects NaN and the infinities, which no Rat holds
	for _, v := range numbers {
		if f := double(v); math.IsNaN(f) || math.IsInf(f, 0) {
			special += f
		} else if n, ok := v.(float64); ok {
			exactly.Add(exactly, new(big.Rat).SetFloat64(n))
		} else {
			n, _ := integer(v)
			exactly.Add(exactly, new(big.Rat).SetInt64(n))
		}
	}
	switch {
	case special != 0:
		return special
	case typeName(like) == "double":
		f, _ := exactly.Float64()
		return f
	}
	return fit(exactly.Num(), like)
}

// numeric checks the arguments of arithmetic; the bool is false when one is null or missing, which makes the result null.
func numeric(name string, args []any) (bool, error) {
	if slices.ContainsFunc(args, nullish) {
		return false, nil
	}
	for _, v := range args {
		if !isNumber(v) {
			return false, refuse(name, "got %s, want numbers", typeName(v))
		}
	}
	return true, nil
}

// add takes numbers and at most one date, to which the numbers are milliseconds.
func add(name string, args []any) (any, error) {
	dates := 0
	args = slices.Clone(args)
	for i, v := range args {
		if date, ok := v.(bson.DateTime); ok {
			args[i] = int64(date)
			dates++
		}
	}
	ok, err := numeric(name, args)
	switch {
	case !ok:
		return nil, err
	case dates > 1:
		return nil, refuse(name, "only one date allowed")
	case dates == 1:
		return date(name, total(args))
	}
	return total(args), nil
}

func date(name string, millis any) (any, error) {
	n, ok := integer(millis)
	if !ok {
		return nil, unsupported("%s of a date and a fraction", name)
	}
	return bson.DateTime(n), nil
}

func subtract(name string, args []any) (any, error) {
	if from, ok := args[0].(bson.DateTime); ok {
		if date, ok := args[1].(bson.DateTime); ok {
			return int64(from) - int64(date), nil
		}
		result, err := subtract(name, []any{int64(from), args[1]})
		if err != nil || result == nil {
			return nil, err
		}
		return date(name, result)
	}
	ok, err := numeric(name, args)
	if !ok {
		return nil, err
	}
	if like := widest(args); typeName(like) != "double" {
		a, _ := integer(args[0])
		b, _ := integer(args[1])
		return fit(new(big.Int).Sub(big.NewInt(a), big.NewInt(b)), like), nil
	}
	return double(args[0]) - double(args[1]), nil
}

func multiply(name string, args []any) (any, error) {
	ok, err := numeric(name, args)
	if !ok {
		return nil, err
	}
	like := widest(args)
	if typeName(like) == "double" {
		product := 1.0
		for _, v := range args {
			product *= double(v)
		}
		return product, nil
	}
	product := big.NewInt(1)
	for _, v := range args {
		n, _ := integer(v)
		product.Mul(product, big.NewInt(n))
	}
	return fit(product, like), nil
}

func divide(name string, args []any) (any, error) {
	ok, err := numeric(name, args)
	switch {
	case !ok:
		return nil, err
	case double(args[1]) == 0:
		return nil, refuse(name, "division by zero")
	}
	return double(args[0]) / double(args[1]), nil
}

// mod has the sign of the dividend.
func mod(name string, args []any) (any, error) {
	ok, err := numeric(name, args)
	switch {
	case !ok:
		return nil, err
	case double(args[1]) == 0:
		return nil, refuse(name, "division by zero")
	}
	like := widest(args)
	if typeName(like) == "double" {
		return math.Mod(double(args[0]), double(args[1])), nil
	}
	a, _ := integer(args[0])
	b, _ := integer(args[1])
	return fit(new(big.Int).Rem(big.NewInt(a), big.NewInt(b)), like), nil
}
