# Lets Windows search for updates now, by the policy that was just set: the update service learns of the machine and of its
# ring. Nothing is installed. Run by ansible.windows.win_powershell, in one call.
$ErrorActionPreference = 'Stop'
$run = Start-Process (Join-Path $env:SystemRoot 'System32\UsoClient.exe') 'StartScan' -NoNewWindow -Wait -PassThru
if ($run.ExitCode -ne 0) { throw "UsoClient StartScan ended with $($run.ExitCode)" }
