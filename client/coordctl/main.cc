#include "client/coordctl/cli.h"

int main(int argc, char** argv) {
  return coord::ctl::run_command_line(argc, argv);
}
