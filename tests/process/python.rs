//! Programs in Python that share no code with the service.

use crate::program::as_child;
use std::process::Command;

/// A script under `tools/` with an interpreter that has the packages of `tools/requirements.txt`: the one that
/// `TOKEN_LEDGER_PYTHON` names, as `tools/test` does, else the machine's.
pub fn script(name: &str) -> Command {
    let interpreter = std::env::var("TOKEN_LEDGER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_packages = Command::new(&interpreter).args(["-c", "import cryptography"]).status();
    let missing = "a Python with tools/requirements.txt is needed; tools/test makes one, TOKEN_LEDGER_PYTHON names one";
    assert!(has_packages.is_ok_and(|status| status.success()), "{interpreter}: {missing}");
    let mut command = as_child(Command::new(interpreter));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg(format!("tools/{name}"));
    command
}
