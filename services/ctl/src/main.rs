//! Reads the command line and the environment, carries the command out, and ends with its exit status.

use std::process::ExitCode;

use nogfso_ctl::arguments::Arguments;
use nogfso_ctl::exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(nogfso_ctl::run(arguments)).into(),
        Err(_) => Exit::Failed.into(),
    }
}
