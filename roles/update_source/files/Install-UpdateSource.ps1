# Makes database and content folder of an update service whose feature is there. Run by ansible.windows.win_powershell.
param([Parameter(Mandatory)] [string] $Content)
$ErrorActionPreference = 'Stop'
$null = New-Item -ItemType Directory -Force $Content
$tool = Join-Path $env:ProgramFiles 'Update Services\Tools\wsusutil.exe'
$run = Start-Process $tool "postinstall CONTENT_DIR=`"$Content`"" -NoNewWindow -Wait -PassThru
if ($run.ExitCode -ne 0) { throw "wsusutil postinstall ended with $($run.ExitCode); its log lies in $env:TEMP" }
