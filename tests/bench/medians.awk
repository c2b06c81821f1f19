# For tests/bench/compare: from a line for each measurement of each run
#   OP@N SYSTEM OPS_S P50_US P99_US FAILS CONNECTIONS
# to the medians over the runs, and what they are beside Coord's. Ends with 1 if a requirement
# (OP@N:SYSTEM:RATIO[:p50], separated by spaces) is not reached.

function median(list,    values, count, i, j, swap) {
  count = split(list, values, " ")
  for (i = 2; i <= count; ++i)
    for (j = i; j > 1 && values[j - 1] + 0 > values[j] + 0; --j) {
      swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
    }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

# How many times as good Coord is: in operations a second, or in median latency.
function speed_ratio(what, name) { return of(ops_s[what, "coord"], ops_s[what, name]) }
function p50_ratio(what, name) { return of(p50[what, name], p50[what, "coord"]) }
function of(a, b) { return b > 0 ? a / b : 0 }

{
  if (!($1 in seen)) { seen[$1] = 1; order[++measurements] = $1 }
  if (!($2 in known)) { known[$2] = 1; system_order[++systems] = $2 }
  all_ops_s[$1, $2] = all_ops_s[$1, $2] " " $3
  all_p50[$1, $2] = all_p50[$1, $2] " " $4
  all_p99[$1, $2] = all_p99[$1, $2] " " $5
  fails[$1, $2] += $6
  connections[$1, $2] = $7
}

END {
  for (key in all_ops_s) {
    ops_s[key] = median(all_ops_s[key])
    p50[key] = median(all_p50[key])
    p99[key] = median(all_p99[key])
  }
  for (i = 1; i <= measurements; ++i)
    if (json) print_json(order[i]); else print_rows(order[i])
  exit unreached()
}

function print_rows(what,    i, name, ratios) {
  if (what == order[1])
    printf "%-18s %-9s %5s %9s %9s %9s   %s\n", "", "", "conns", "ops/s", "p50 us", "p99 us",
           "coord is better by (ops/s, p50)"
  for (i = 1; i <= systems; ++i) {
    name = system_order[i]
    ratios = ""
    if (name != "coord" && ("coord" in known))
      ratios = sprintf("%8.2f %8.2f", speed_ratio(what, name), p50_ratio(what, name))
    printf "%-18s %-9s %5d %9d %9d %9d   %s\n", i == 1 ? what : "", name, connections[what, name],
           ops_s[what, name], p50[what, name], p99[what, name], ratios
  }
}

function print_json(what,    i, name, parts) {
  split(what, parts, "@")
  printf "{\"op\":\"%s\",\"outstanding\":%d,\"runs\":%d", parts[1], parts[2], runs
  for (i = 1; i <= systems; ++i) {
    name = system_order[i]
    printf ",\"%s\":{\"ops_s\":%d,\"p50_us\":%d,\"p99_us\":%d,\"fails\":%d,\"connections\":%d", name,
           ops_s[what, name], p50[what, name], p99[what, name], fails[what, name],
           connections[what, name]
    if (name != "coord" && ("coord" in known))
      printf ",\"ratio\":%.2f,\"p50_ratio\":%.2f", speed_ratio(what, name), p50_ratio(what, name)
    printf "}"
  }
  print "}"
}

function unreached(    count, each, i, parts, ratio, missed) {
  count = split(requirements, each, " ")
  for (i = 1; i <= count; ++i) {
    split(each[i], parts, ":")
    ratio = parts[4] == "p50" ? p50_ratio(parts[1], parts[2]) : speed_ratio(parts[1], parts[2])
    if (ratio >= parts[3] + 0) continue
    printf "not reached: %s (it is %.2f)\n", each[i], ratio > "/dev/stderr"
    missed = 1
  }
  return missed
}
