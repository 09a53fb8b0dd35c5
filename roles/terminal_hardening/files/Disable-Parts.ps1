# Disables services and takes optional features away. Run by ansible.windows.win_powershell, in one call.
param(
    # ["WlanSvc", ...]; one that isn't there is as good as disabled
    [Parameter(Mandatory)] [string] $Services,
    # ["SMB1Protocol", ...]
    [Parameter(Mandatory)] [string] $Features
)
$ErrorActionPreference = 'Stop'
foreach ($name in (ConvertFrom-Json $Services)) {
    $service = Get-Service -Name $name -ErrorAction SilentlyContinue
    if (-not $service) { continue }
    Set-Service -InputObject $service -StartupType Disabled
    # what depends on it, and what can't be stopped now, is gone after the next start
    Stop-Service -InputObject $service -Force -NoWait -ErrorAction SilentlyContinue
}
foreach ($name in (ConvertFrom-Json $Features)) {
    $null = Disable-WindowsOptionalFeature -Online -FeatureName $name -NoRestart
}
